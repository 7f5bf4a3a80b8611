"""Modes, closures and values: what is read off an optimizer changes nothing of it."""

from __future__ import annotations

import copy
import io

import pytest
import schedulefree
import timm.optim
import torch
from torch import nn

from fastrun.components.optimizer.groups import decay_groups
from fastrun.components.optimizer.muon import muon
from fastrun.components.optimizer.protocol import (
    check_state,
    config_values,
    evaluation_weights,
    has_modes,
    lay_out_state,
    needs_closure,
)
from fastrun.errors import ConfigError

FREE = {
    "adamw": (schedulefree.AdamWScheduleFree, {"lr": 0.1, "weight_decay": 0.1}),
    "sgd": (schedulefree.SGDScheduleFree, {"lr": 0.1, "momentum": 0.8}),
    "radam": (schedulefree.RAdamScheduleFree, {"lr": 0.1}),
}


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))


def build(kind: str, net: nn.Module) -> torch.optim.Optimizer:
    factory, values = FREE[kind]
    return factory(decay_groups(net, values.get("weight_decay", 0.0)), **values)


def train(net: nn.Module, optimizer: torch.optim.Optimizer, steps: range = range(8)) -> list[torch.Tensor]:
    optimizer.train()
    for step in steps:
        torch.manual_seed(step)
        net(torch.randn(8, 4)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()
    return [weight.detach().clone() for weight in net.parameters()]


def same(some: list[torch.Tensor], others: list[torch.Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(some, others, strict=True))


@pytest.mark.parametrize("kind", FREE)
def test_the_weights_are_those_of_eval_and_nothing_changes(kind: str) -> None:
    net, twin = network(), network()
    optimizer, reference = build(kind, net), build(kind, twin)
    live = train(net, optimizer)
    train(twin, reference)
    state = copy.deepcopy(optimizer.state_dict())
    pairs = evaluation_weights(optimizer)
    assert [id(weight) for weight, _ in pairs] == [id(p) for g in optimizer.param_groups for p in g["params"]]
    assert same(list(net.parameters()), live)
    torch.testing.assert_close(optimizer.state_dict(), state, rtol=0, atol=0)
    reference.eval()
    result = {id(weight): value for weight, value in pairs}
    assert same([result[id(weight)] for weight in net.parameters()], list(twin.parameters()))
    assert not same([result[id(weight)] for weight in net.parameters()], live)


@pytest.mark.parametrize("kind", FREE)
def test_training_goes_on_as_if_nobody_had_looked(kind: str) -> None:
    net, twin = network(), network()
    optimizer, undisturbed = build(kind, net), build(kind, twin)
    for step in range(4):
        train(net, optimizer, range(step, step + 1))
        evaluation_weights(optimizer)
    assert same(train(net, optimizer, range(4, 6)), train(twin, undisturbed, range(6)))


@pytest.mark.parametrize("kind", FREE)
def test_before_the_first_step_and_in_eval_mode_they_are_the_weights_themselves(kind: str) -> None:
    net = network()
    optimizer = build(kind, net)
    for _ in range(2):
        pairs = evaluation_weights(optimizer)
        assert all(torch.equal(weight, value) and weight is not value for weight, value in pairs)
        assert len(optimizer.state) in (0, 4)
        train(net, optimizer)
        optimizer.eval()


def test_optimizers_without_modes_have_no_weights_to_evaluate_with() -> None:
    net = network()
    for optimizer in (torch.optim.AdamW(net.parameters()), muon(net)):
        assert not has_modes(optimizer)
        assert evaluation_weights(optimizer) is None


def test_closures_are_needed_where_the_step_has_no_default_for_them() -> None:
    net = network()
    assert needs_closure(torch.optim.LBFGS(net.parameters()))
    assert needs_closure(schedulefree.SGDScheduleFreeClosure(net.parameters()))
    for optimizer in (
        torch.optim.SGD(net.parameters()),
        build("adamw", net),
        muon(net),
        timm.optim.Lion(net.parameters()),
    ):
        assert not needs_closure(optimizer)


@pytest.mark.parametrize("kind", FREE)
def test_a_saved_run_goes_on_bit_for_bit_with_the_values_of_its_config(kind: str) -> None:
    net = network()
    optimizer = build(kind, net)
    train(net, optimizer)
    file = io.BytesIO()
    torch.save([net.state_dict(), optimizer.state_dict()], file)
    file.seek(0)
    weights, state = torch.load(file, weights_only=True)
    other = network()
    resumed = build(kind, other)
    values = config_values(resumed)
    other.load_state_dict(weights)
    resumed.load_state_dict(state)
    for group, own in zip(resumed.param_groups, values, strict=True):
        group.update(own)
    later = range(8, 12)
    assert same(train(other, resumed, later), train(net, optimizer, later))


def test_what_steps_change_in_a_group_is_not_its_configs() -> None:
    net = network()
    (values,) = config_values(schedulefree.AdamWScheduleFree(net.parameters(), lr=0.1))
    assert values["lr"] == 0.1
    assert not values.keys() & {"params", "k", "train_mode", "weight_sum", "lr_max", "scheduled_lr"}
    (values,) = config_values(torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9))
    assert (values["lr"], values["momentum"]) == (0.1, 0.9)
    assert [own.keys() >= {"lr", "weight_decay"} for own in config_values(muon(net))] == [True] * 3


def test_a_state_of_other_groups_is_refused() -> None:
    net = network()
    optimizer = torch.optim.AdamW(decay_groups(net, 0.1))
    check_state(optimizer, torch.optim.AdamW(decay_groups(network(), 0.1)).state_dict())
    with pytest.raises(ConfigError, match=r"groups of \[4\] weights, this run's optimizer has \[2, 2\]"):
        check_state(optimizer, torch.optim.AdamW(net.parameters()).state_dict())


@pytest.mark.parametrize("name", ["Adam", "AdamW", "SGD", "Adagrad", "RMSprop"])
@pytest.mark.parametrize("saved", [torch.channels_last, torch.contiguous_format])
def test_a_state_that_is_loaded_into_another_memory_format_updates_the_same_values(
    name: str, saved: torch.memory_format
) -> None:
    def convolution(layout: torch.memory_format) -> nn.Module:
        torch.manual_seed(0)
        return nn.Conv2d(3, 4, 3).to(memory_format=layout)

    def stepped(net: nn.Module, state: dict | None = None) -> torch.optim.Optimizer:
        fused = {"fused": True} if name != "RMSprop" else {}
        optimizer = getattr(torch.optim, name)(
            net.parameters(), lr=0.1, **fused, **({"momentum": 0.9} if name == "SGD" else {})
        )
        if state:
            optimizer.load_state_dict(copy.deepcopy(state))
            lay_out_state(optimizer)
        for step in range(2):
            torch.manual_seed(step)
            for weight in net.parameters():
                weight.grad = torch.empty_like(weight).copy_(torch.randn(weight.shape))
            optimizer.step()
        return optimizer

    other = torch.contiguous_format if saved is torch.channels_last else torch.channels_last
    one, same_layout = convolution(saved), convolution(saved)
    state = copy.deepcopy(stepped(one).state_dict())
    changed = convolution(other)
    changed.load_state_dict(one.state_dict())
    stepped(same_layout)
    stepped(same_layout, state)
    stepped(changed, state)
    torch.testing.assert_close(changed.weight, same_layout.weight, rtol=1e-5, atol=1e-6)
    assert changed.weight.stride() != same_layout.weight.stride()
