"""Every option's first three steps are those of the implementation it comes from, called by hand."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable
from typing import Any

import pytest
import schedulefree
import timm.optim
import torch
from torch import Tensor, nn

from fastrun.components.model.mlp import mlp
from fastrun.components.norm.layers import batch
from fastrun.components.optimizer.protocol import evaluation_weights, needs_closure
from fastrun.compose import compose
from fastrun.config import registry
from fastrun.config.settings import Settings
from fastrun.training.builders.optimizer import build_optimizer

OWN = {"layer_decay", "lr_scale", "_target_"}  # what the group adds to a target's arguments
REFERENCES = {
    "sgd": torch.optim.SGD, "nesterov": torch.optim.SGD, "adam": torch.optim.Adam, "adamw": torch.optim.AdamW,
    "nadam": torch.optim.NAdam, "radam": torch.optim.RAdam, "rmsprop": torch.optim.RMSprop,
    "adagrad": torch.optim.Adagrad, "adafactor": torch.optim.Adafactor, "lion": timm.optim.Lion,
    "lamb": timm.optim.Lamb, "schedulefree": schedulefree.AdamWScheduleFree,
}  # fmt: skip
BY_PARTS = {"muon", "muon_sgd"}  # test_muon and test_muon_sgd have their steps


def network() -> nn.Module:
    torch.manual_seed(0)
    return mlp((6,), 3, (8, 8), norm=batch)


@functools.cache
def composed(option: str, *overrides: str) -> Settings:
    return compose([f"optimizer={option}", *overrides])


def reference(option: str, net: nn.Module) -> torch.optim.Optimizer:
    """The implementation with the option's values; what has fewer than two dimensions is not decayed."""
    values = {name: value for name, value in composed(option).optimizer.items() if name not in OWN}
    matrices = [weight for weight in net.parameters() if weight.ndim == 2]
    vectors = [weight for weight in net.parameters() if weight.ndim < 2]
    groups: list[dict[str, Any]] = [{"params": matrices}, {"params": vectors, "weight_decay": 0.0}]
    kind = REFERENCES[option]
    foreach = {"foreach": False} if kind.__module__.startswith("torch") else {}
    return kind(groups, **values, **foreach)


def train(net: nn.Module, stepping: torch.optim.Optimizer, steps: int = 3) -> None:
    if hasattr(stepping, "train"):
        stepping.train()
    for step in range(steps):
        torch.manual_seed(step)
        nn.functional.cross_entropy(net(torch.randn(16, 6)), torch.randint(3, (16,))).backward()
        stepping.step()
        stepping.zero_grad()


def same(some: Any, others: Any, compare: Callable[[Tensor, Tensor], Any]) -> None:
    for one, other in zip(some, others, strict=True):
        compare(one, other)


def test_there_is_a_reference_for_every_option() -> None:
    assert REFERENCES.keys() | BY_PARTS == registry.options("optimizer").keys() - {"own"}  # which is the model's


@pytest.mark.sampled
@pytest.mark.parametrize("speed", ["auto", "plain"])
@pytest.mark.parametrize("option", REFERENCES)
def test_three_steps_are_those_of_the_reference(option: str, speed: str) -> None:
    net, twin = network(), network()
    ours, theirs = build_optimizer(composed(option, f"speed={speed}"), net), reference(option, twin)
    assert type(ours) is type(theirs)
    train(net, ours)
    train(twin, theirs)
    same(net.parameters(), twin.parameters(), torch.testing.assert_close)
    assert not torch.equal(net[1].weight, network()[1].weight)


@pytest.mark.sampled
@pytest.mark.parametrize("option", REFERENCES)
def test_gains_and_biases_are_not_decayed(option: str) -> None:
    net = network()
    net[1].weight.data.fill_(1.0)
    before = [weight.detach().clone() for weight in net.parameters()]
    optimizer = build_optimizer(composed(option, "optimizer.weight_decay=0.5"), net)
    for weight in net.parameters():
        weight.grad = torch.zeros_like(weight)
    train_mode = getattr(optimizer, "train", None)
    if train_mode:
        train_mode()
    for _ in range(2):
        optimizer.step()
    for weight, old in zip(net.parameters(), before, strict=True):
        assert torch.equal(weight, old) is (weight.ndim < 2)


@pytest.mark.parametrize("option", sorted(REFERENCES.keys() | BY_PARTS))
def test_the_fastest_kernels_of_each_are_used(option: str) -> None:
    groups = build_optimizer(composed(option), network()).param_groups
    fused = option in ("sgd", "nesterov", "adam", "adamw", "adagrad", "muon")
    assert any(group.get("fused") for group in groups) is fused
    assert all(group.get("foreach") for group in groups) is (not fused and option not in BY_PARTS)


@pytest.mark.sampled
@pytest.mark.parametrize("option", sorted(REFERENCES.keys() | BY_PARTS))
def test_rates_by_depth_and_name_are_kept_over_three_steps(option: str) -> None:
    net = network()
    scales = ["optimizer.layer_decay=0.5", "optimizer.lr_scale={1.*:0}"]
    if option == "muon_sgd":
        scales.append("optimizer.normalize=false")  # which changes weights whatever their rate
    optimizer = build_optimizer(composed(option, *scales), net)
    before = copy.deepcopy(net.state_dict())
    train(net, optimizer)
    moved = {name for name, weight in net.named_parameters() if not torch.equal(weight, before[name])}
    assert moved == {name for name, _ in net.named_parameters() if not name.startswith("1.")}
    assert not needs_closure(optimizer)


def test_schedule_free_weights_to_evaluate_with_are_the_references() -> None:
    net, twin = network(), network()
    ours, theirs = build_optimizer(composed("schedulefree"), net), reference("schedulefree", twin)
    train(net, ours)
    train(twin, theirs)
    result = {id(weight): value for weight, value in evaluation_weights(ours)}
    theirs.eval()
    same([result[id(weight)] for weight in net.parameters()], twin.parameters(), torch.testing.assert_close)
    assert not torch.equal(result[id(net[1].weight)], net[1].weight)


@pytest.mark.parametrize("option", sorted(REFERENCES.keys() - {"schedulefree"} | BY_PARTS))
def test_all_others_are_evaluated_as_they_are(option: str) -> None:
    assert evaluation_weights(build_optimizer(composed(option), network())) is None
