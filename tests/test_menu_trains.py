"""Every option of every group, and every recipe, composes and trains."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import fastrun
from fastrun import menu

ONE_STEP = ["data=synthetic", "data.samples=64", "data.shape=[1,8,8]", "data.classes=2", "batch.size=8", "steps=1"]
DENSE, CONVOLUTIONS = ["model=mlp", "model.hidden=[8]"], ["model=resnet", "model.width=4"]
WITH = {
    "optimizer": DENSE,
    "schedule": DENSE,
    "model": [],
    "early_stopping=budget": [*CONVOLUTIONS, "early_stopping.steps=1"],
    "init=whiten": ["model=speednet", "model.widths=[8]"],
}
CHOICES = [(group, option) for group in menu.groups() for option in menu.options(group) if group != "data"]
FROM_FILES = {"fashion_mnist", "mnist", "cifar10", "cifar100", "image_folder", "text", "table"}  # tested in tests/data
NEEDS = {"device=gpu": "a GPU", "amp=fp16": "a GPU", "device=ddp": "processes: tested in test_ddp"}


def test_the_menu_is_not_empty(record_property) -> None:
    print(f"{len(CHOICES)} options of {len(menu.groups())} groups, {len(menu.recipes())} recipes")
    record_property("options", len(CHOICES))
    assert len(menu.groups()) == 19
    assert len(CHOICES) >= 45


@pytest.mark.parametrize(("group", "option"), CHOICES)
def test_every_option_trains_a_step(folder: Path, group: str, option: str) -> None:
    needs = NEEDS.get(f"{group}={option}")
    if needs and not (needs == "a GPU" and torch.cuda.is_available()):
        pytest.skip(f"needs {needs}")
    choice = f"{group}={option}"
    own = WITH.get(choice, WITH.get(group, CONVOLUTIONS))
    run = fastrun.train([*ONE_STEP, *own, choice], quiet=True)
    assert run.summary["steps"] == 1
    assert run.summary["heuristics"][group]["requested"] == option


@pytest.mark.parametrize("data", sorted(menu.options("data").keys() - FROM_FILES))
@pytest.mark.parametrize("model", list(menu.options("model")))
def test_every_data_set_trains_with_every_model(folder: Path, data: str, model: str) -> None:
    run = fastrun.train([f"data={data}", f"model={model}", "steps=1"], quiet=True)
    assert run.summary["steps"] == 1


@pytest.mark.parametrize("recipe", list(menu.recipes()))
def test_every_recipe_trains(folder: Path, recipe: str) -> None:
    own = ["steps=2", "speed.compile=false"]  # compiling takes half a minute
    run = fastrun.train([f"+recipe={recipe}", *own, *small_data(folder, recipe)], quiet=True)
    assert run.summary["recipe"] == recipe
    assert run.directory.parent.name == recipe


def small_data(folder: Path, recipe: str) -> list[str]:
    """Digits, or a file of the kind that the recipe is for."""
    if recipe.startswith("text"):
        (folder / "it.txt").write_text("to be, or not to be; " * 40)
        return ["data.root=it.txt", "data.length=8"]
    if recipe.startswith("table"):
        pytest.importorskip("polars")
        (folder / "it.csv").write_text("x,y\n" + "".join(f"{row % 7},{row * 1.5}\n" for row in range(80)))
        return ["data.root=it.csv", "data.target=y"]
    return ["data=digits"]


def test_the_lot_learns_digits(folder: Path) -> None:
    assert fastrun.train(["+recipe=resnet_amp"], quiet=True).summary["best"]["value"] >= 0.97


def test_baseline_turns_every_heuristic_to_its_neutral_option(folder: Path) -> None:
    from fastrun.hydra_app import compose

    choices = compose(["+recipe=baseline"]).choices
    neutral = {
        group: option
        for group in menu.groups()
        for option, entry in menu.options(group).items()
        if "(neutral)" in entry.description
    }
    assert len(neutral) == 15
    assert {group: choices[group] for group in neutral} == neutral
