"""The speedrun recipe is made of ordinary choices: each of its lines can be taken back, and the rest still trains."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import fastrun
from fastrun.config import registry

TINY = ["data=synthetic", "data.shape=[3,12,12]", "data.samples=64", "model.widths=[8,8]", "model.scale=0.1",
        "optimizer.head_lr=0.1", "optimizer.bias_lr=0.01", "batch.size=16", "steps=2",
        "speed.compile=false"]  # fmt: skip
OTHER = {
    "data": "synthetic", "model": "resnet", "init": "default", "norm": "none", "optimizer": "sgd",
    "schedule": "constant", "augment": "none", "loss": "cross_entropy", "amp": "off", "pipeline": "plain",
    "speed": "plain", "checkpoint": "none",
}  # fmt: skip
VALUES = {
    "epochs": "2", "val_every": "1ep", "views": "none", "data.val_fraction": "0.2", "batch.size": "8",
    "model.scale": "1.0", "init.head_std": "null", "norm.momentum": "0.1", "norm.eps": "1e-5", "norm.scale": "true",
    "optimizer.lr": "0.02", "optimizer.momentum": "0.9", "optimizer.head_lr": "0.02", "optimizer.bias_lr": "0.02",
    "optimizer.sgd_momentum": "0.0", "optimizer.weight_decay": "0.0", "schedule.rise": "0.3", "schedule.start": "0.1",
    "schedule.final": "0.1", "loss.label_smoothing": "0.0", "checkpoint.every": "1ep", "speed.compile": "false",
    "target.value": "null",
}  # fmt: skip

RECIPE = yaml.safe_load(registry.recipes()["cifar10_speedrun"].path.read_text())
CHOICES = {key.removeprefix("override /"): option for entry in RECIPE["defaults"] for key, option in entry.items()}


def lines(node: dict[str, Any], above: str = "") -> Iterator[str]:
    for key, value in node.items():
        if isinstance(value, dict):
            yield from lines(value, f"{above}{key}.")
        elif key != "defaults":
            yield f"{above}{key}"


def train(*overrides: str) -> Any:
    """Train with the recipe's tiny twin; what it sets of an option goes when the option does."""
    taken = {override.partition("=")[0] for override in overrides}
    own = [one for one in TINY if one.partition("=")[0] not in taken and one.partition(".")[0] not in taken - {"data"}]
    return fastrun.train(["+recipe=cifar10_speedrun", *own, *overrides], quiet=True)


def test_every_line_has_a_test() -> None:
    assert CHOICES.keys() == OTHER.keys()
    assert set(lines(RECIPE)) == VALUES.keys()


@pytest.mark.slow
@pytest.mark.parametrize(("group", "option"), OTHER.items())
def test_a_choice_can_be_taken_back(folder: Path, group: str, option: str) -> None:
    run = train(f"{group}={option}", *(["init=default"] if group == "model" else []))
    assert run.summary["steps"] == 2
    assert run.summary["heuristics"][group]["requested"] == option


@pytest.mark.slow
@pytest.mark.parametrize(("key", "value"), VALUES.items())
def test_a_value_can_be_taken_back(folder: Path, key: str, value: str) -> None:
    run = train(f"{key}={value}")
    assert run.summary["steps"] == 2
    assert run.settings.choices["recipe"] == "cifar10_speedrun"


def test_values_for_an_option_go_with_it(folder: Path) -> None:
    settings = train("optimizer=sgd", "norm=batch", "augment=crop").settings
    assert settings.optimizer["lr"] == 0.1
    assert "head_lr" not in settings.optimizer
    assert settings.norm["scale"] is False
    assert settings.augment["pad"] is None


def test_values_go_with_the_option_of_a_recipe_that_is_extended(folder: Path) -> None:
    (folder / "recipes").mkdir()
    (folder / "recipes/mine.yaml").write_text(
        "# @package _global_\n# Mine\ndefaults:\n  - cifar10_speedrun\n  - override /optimizer: adamw\n"
        "optimizer:\n  weight_decay: 0.5\n"
    )
    from fastrun.compose import compose

    settings = compose(["+recipe=mine"])
    assert (settings.optimizer["lr"], settings.optimizer["weight_decay"]) == (3e-3, 0.5)
    assert compose(["+recipe=mine", "optimizer=sgd"]).optimizer["weight_decay"] == 0.0
    assert compose(["+recipe=cifar10_speedrun"]).optimizer["head_lr"] == 1340


@pytest.mark.slow
def test_each_job_of_a_sweep_has_the_values_of_its_own_option(folder: Path, shell) -> None:
    done = shell("train", "+recipe=cifar10_speedrun", *TINY[:4], "batch.size=16", "steps=1", "speed.compile=false",
                 "-m", "optimizer=muon_sgd,sgd")  # fmt: skip
    assert done.returncode == 0, done.stderr
    configs = [yaml.safe_load(path.read_text()) for path in sorted(folder.glob("outputs/*/sweep-*/*/config.yaml"))]
    assert [config["optimizer"]["lr"] for config in configs] == [0.24, 0.1]
    assert [config["optimizer"].get("head_lr") for config in configs] == [1340, None]
