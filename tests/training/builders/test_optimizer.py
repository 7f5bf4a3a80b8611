"""The optimizer of a config: its rates, its decay, and what is refused in a line."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import fastrun
from fastrun.cli.main import main
from fastrun.components.model.mlp import mlp
from fastrun.compose import compose
from fastrun.config.settings import Settings
from fastrun.errors import ConfigError
from fastrun.training.builders.optimizer import build_optimizer

SMALL = ["data=synthetic", "data.samples=64", "data.shape=[4]", "model=mlp", "model.hidden=[8,8]", "batch.size=8",
         "norm=none"]  # fmt: skip
NAMES = ("1.weight", "1.bias", "3.weight", "3.bias", "5.weight", "5.bias")


def net() -> nn.Module:
    return mlp((4,), 2, (8, 8))


def rates(model: nn.Module, made: torch.optim.Optimizer) -> list[float]:
    found = {id(weight): group["lr"] for group in made.param_groups for weight in group["params"]}
    return [found[id(model.get_parameter(name))] for name in NAMES]


def configured(**optimizer: Any) -> Settings:
    return Settings(optimizer=optimizer)


def test_rates_follow_depth_name_and_batch_together() -> None:
    model = net()
    overrides = ["optimizer=adamw", "optimizer.lr=1", "optimizer.layer_decay=0.5", "batch.lr_scaling=linear",
                 "optimizer.lr_scale={5.*:10,*.bias:2}", "batch.size=512", "batch.base_size=256"]  # fmt: skip
    made = build_optimizer(compose(overrides), model)
    assert rates(model, made) == [0.5, 1.0, 1.0, 2.0, 20.0, 40.0]


def test_without_them_there_are_the_two_groups_of_before() -> None:
    assert len(build_optimizer(compose(["optimizer=adamw"]), net()).param_groups) == 2
    assert len(build_optimizer(compose(["optimizer=adam"]), net()).param_groups) == 1


def test_a_target_of_ones_own_needs_no_such_keys_and_keeps_its_own_decay_off_biases() -> None:
    made = build_optimizer(configured(_target_="torch.optim.AdamW", lr=0.1), net())
    assert [group["weight_decay"] for group in made.param_groups] == [0.01, 0.0]
    model = net()
    made = build_optimizer(configured(_target_="torch.optim.SGD", lr=1.0, layer_decay=0.5, lr_scale={"3.*": 3}), model)
    assert rates(model, made) == [0.25, 0.25, 1.5, 1.5, 1.0, 1.0]


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("overrides", "message", "hint"),
    [
        (["optimizer.lr_scale={3.wieght:2}"], "no parameter is named 3.wieght", "3.weight"),
        (["optimizer.lr_scale={*:-2}"], "not a number of at least 0", "use for example"),
        (["optimizer.lr_scale=2"], "is not a map", "lr_scale={"),
        (["optimizer.layer_decay=1.1"], r"not in \(0, 1\]", "0.65"),
        (["optimizer.layer_decay=much"], "layer_decay=much", "0.65"),
        (["optimizer.betas=[0.9]"], "optimizer.betas", None),
        (["optimizer=lion", "optimizer.betas=[2,2]"], "is too large", None),
        (["optimizer=radam", "optimizer.lr=-1"], "is too small", None),
        (["optimizer=adafactor", "optimizer.lr=-1"], "is too small", None),
        (["optimizer=schedulefree", "optimizer.lr=fast"], "wrong type", "float"),
        (["optimizer=nadam", "speed.fused=true"], "no fused kernels", None),
    ],
)
def test_what_does_not_fit_is_refused_in_a_line(overrides, message, hint) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        build_optimizer(compose(overrides), net())
    assert (hint in (caught.value.hint or "")) if hint else True


def test_a_target_that_makes_no_optimizer_is_refused() -> None:
    with pytest.raises(ConfigError, match="returns no optimizer"):
        build_optimizer(configured(_target_="torch.nn.Identity"), net())


def test_a_package_that_is_not_here_is_named_with_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for option, package, extra in (("lion", "timm", "vision"), ("schedulefree", "schedulefree", "optim")):
        for name in [name for name in sys.modules if name.partition(".")[0] == package]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setattr(sys, "path", [])
        with pytest.raises(ConfigError, match=package) as caught:
            build_optimizer(compose([f"optimizer={option}"]), net())
        assert caught.value.hint == f"pip install 'fastrun[{extra}]'"
        monkeypatch.undo()


@pytest.mark.sampled
@pytest.mark.parametrize("option", ["schedulefree", "lamb", "muon", "nadam", "adafactor"])
def test_a_run_that_was_resumed_ends_as_one_that_was_not(folder: Path, option: str) -> None:
    own = [*SMALL, f"optimizer={option}", "optimizer.layer_decay=0.5", "schedule=constant", "amp=off"]
    whole = fastrun.train([*own, "epochs=4"], quiet=True)
    half = fastrun.train([*own, "epochs=2"], quiet=True)
    assert main(["resume", str(half.directory), "epochs=4"]) == 0
    found = [final(run.directory) for run in (whole, half)]
    assert found[0].keys() == found[1].keys()
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def final(run: Path) -> dict[str, torch.Tensor]:
    last = sorted((run / "checkpoints").glob("*.ckpt"))[-1]
    return torch.load(last, weights_only=True)["state_dict"]


def test_rates_that_make_other_groups_are_refused_on_resuming(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = fastrun.train([*SMALL, "optimizer.layer_decay=0.5", "epochs=1"], quiet=True)
    assert main(["resume", str(run.directory), "epochs=2", "optimizer.layer_decay=1"]) == 2
    assert "the same optimizer, layer_decay and lr_scale" in capsys.readouterr().err


def test_momentum_does_not_cycle_where_an_average_is_computed_by_it(folder: Path) -> None:
    own = [*SMALL, "optimizer=schedulefree", "schedule=onecycle", "schedule.momentum=[0.85,0.95]", "steps=1"]
    with pytest.raises(ConfigError, match="must not change"):
        fastrun.train(own, quiet=True)
