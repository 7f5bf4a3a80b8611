"""Learning rates that fall with the distance from the head."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from torch import nn

import fastrun
from fastrun.components.model.mlp import mlp
from fastrun.components.norm.layers import batch
from fastrun.components.optimizer.depth import depths
from fastrun.components.optimizer.groups import decay_groups
from fastrun.components.transfer.rates import body_rates, scale_body_rates
from fastrun.compose import compose
from fastrun.errors import ConfigError
from fastrun.training.builders.optimizer import build_optimizer


def rates(made: torch.optim.Optimizer, net: nn.Module) -> dict[str, float]:
    """The rate that an optimizer has for each parameter."""
    names = {id(weight): name for name, weight in net.named_parameters()}
    return {names[id(weight)]: group["lr"] for group in made.param_groups for weight in group["params"]}


def test_the_rate_falls_a_layer_at_a_time() -> None:
    found = body_rates(mlp((4,), 3, (5, 6, 7)), 0.1, 0.5)
    assert found == {f"{layer}.{name}": pytest.approx(0.1 * 0.5**depth) for layer, depth in ((1, 3), (3, 2), (5, 1))
                     for name in ("weight", "bias")}  # fmt: skip


def test_a_last_norm_is_no_head_though_as_high() -> None:
    net = timm.create_model("vit_tiny_patch16_224", depth=2, num_classes=3)
    found = body_rates(net, 0.1, 0.5)
    assert found["norm.weight"] == 0.1
    assert found["blocks.1.attn.qkv.weight"] == 0.05
    assert found["blocks.0.attn.qkv.weight"] == 0.025
    assert found["patch_embed.proj.weight"] == 0.0125
    assert "head.weight" not in found


def test_an_optimizer_of_a_run_has_them_on_top_of_its_own() -> None:
    own = ["transfer=finetune", "transfer.lr_scale=0.25", "transfer.layer_decay=0.5", "optimizer.lr=0.08"]
    net = mlp((4,), 3, (5, 6), norm=batch)
    plain = rates(build_optimizer(compose(own), net), net)
    assert plain["7.weight"] == 0.08
    assert plain["4.weight"] == plain["5.bias"] == pytest.approx(0.08 * 0.25 * 0.5)
    assert plain["1.weight"] == pytest.approx(0.08 * 0.25 * 0.5**2)
    both = rates(build_optimizer(compose([*own, "optimizer.layer_decay=0.9"]), net), net)
    assert both == {name: pytest.approx(rate * 0.9 ** depths(net)[name]) for name, rate in plain.items()}


def test_decay_stays_with_its_weights() -> None:
    net = mlp((4,), 3, (5, 6))
    made = build_optimizer(compose(["transfer=finetune", "optimizer.weight_decay=0.3"]), net)
    for group in made.param_groups:
        assert {weight.ndim >= 2 for weight in group["params"]} == {group["weight_decay"] > 0}


def test_no_group_is_both_body_and_head_even_at_one_rate() -> None:
    net = mlp((4,), 3, (5,))
    made = torch.optim.SGD(decay_groups(net, 0.0), lr=0.3)
    assert len(made.param_groups) == 1
    scale_body_rates(made, net, 1.0, 1.0)
    assert [len(group["params"]) for group in made.param_groups] == [2, 2]
    assert rates(made, net) == dict.fromkeys(dict(net.named_parameters()), 0.3)


def test_an_optimizer_of_one_rate_is_refused() -> None:
    net = nn.Linear(1, 1)
    with pytest.raises(ConfigError, match="LBFGS"):
        scale_body_rates(torch.optim.LBFGS(net.parameters()), net, 1.0, 1.0)


def test_the_rate_that_a_run_writes_down_is_the_heads(own: Path, lines) -> None:
    net = ["model=mlp", "model.hidden=[8]", "schedule=constant", "optimizer.lr=0.02"]
    before = fastrun.train([*net, "steps=1"], quiet=True)
    more = ["transfer=finetune", f"transfer.source={before.directory}", "transfer.freeze=1", "steps=3"]
    after = fastrun.train([*net, *more], quiet=True)
    assert [line["lr"] for line in lines(after.directory) if "lr" in line] == [0.02] * 3
