"""Every option of every group, and every recipe, composes and trains."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path

import pytest
import torch

import fastrun
from fastrun.config import registry
from fastrun.errors import ConfigError

pytestmark = pytest.mark.slow

IMAGES = ["data=synthetic", "data.samples=64", "data.classes=2", "data.shape=[1,8,8]"]
KINDS = {
    "images": [*IMAGES, "model=resnet", "model.width=4"],
    "vectors": [*IMAGES, "data.shape=[6]", "model=mlp", "model.hidden=[8]"],
    "numbers": ["data=table", "data.root=it.csv", "data.target=y", "model=mlp", "model.hidden=[8]"],
    "text": ["data=text", "data.root=it.txt", "data.length=8", "model=gpt", "model.width=8", "model.depth=1"],
}
SMALL_VIT = ("hidden_size=8", "num_attention_heads=2", "num_hidden_layers=1", "intermediate_size=8", "patch_size=4")
WITH = {  # what an option needs beside it
    "early_stopping=budget": ["early_stopping.steps=1"],
    "init=whiten": ["model=speednet"],
    "model=hf": ["model.type=vit", *(f"+model.{key}" for key in SMALL_VIT)],
    "model=timm": ["model.name=test_resnet", "amp=off"],  # bf16: torch leaves NaN in filters' gradients on 1x1 maps
}
WORDS = {"bad": "awful", "good": "lovely"}
FULL = "FASTRUN_FULL" in os.environ  # set by make test-all
CHOICES = [(group, option) for group in registry.groups() for option in registry.options(group) if group != "data"]
# tested in tests/components/data
FROM_FILES = {"fashion_mnist", "mnist", "cifar10", "cifar100", "image_folder", "stream", "text", "table", "hf"}
NEEDS = {
    "device=gpu": "a GPU",
    "amp=fp16": "a GPU",
    "device=ddp": "processes: tested in test_ddp",
    "device=fsdp": "processes: tested in test_sharded",
}


def applies(group: str, option: str, kind: str) -> bool:
    """Whether an option can be used on a kind of data."""
    if group == "augment":
        return kind == "images" or option == "none"
    if group == "tokenizer":  # pretrained needs a file: tested in tests/components/tokenizer
        return option == "characters" or (option == "bpe" and kind == "text")
    if group == "model":
        sequences, vectors = ("gpt", "lstm"), ("mlp",)
        return (
            (option in sequences)
            if kind == "text"
            else option in vectors or (kind == "images" and option not in sequences)
        )
    never = {"loss=bce": ["numbers"], "loss=cross_entropy": ["numbers"], "norm=instance": ["vectors", "numbers"]}
    never["init=whiten"] = ["vectors", "numbers", "text"]
    of_numbers = ("loss=l1", "metrics=mape", "metrics=pearson", "metrics=spearman")
    never |= {key: [other for other in KINDS if other != "numbers"] for key in of_numbers}
    never |= {
        key: list(KINDS) for key in ("metrics=ssim", "optimizer=own")
    }  # of images as targets, of a LightningModule
    of_classes = ("auroc", "average_precision", "calibration_error", "f1_macro", "kappa", "mcc", "precision", "recall")
    never |= {f"metrics={name}": ["numbers"] for name in of_classes}
    return kind not in never.get(f"{group}={option}", [])


def of_kind(folder: Path, kind: str, has_model: bool) -> list[str]:
    """A small data set of a kind and, unless there is one, a network for it."""
    (folder / "it.txt").write_text("to be, or not to be; " * 40)
    (folder / "it.csv").write_text("x,z,y\n" + "".join(f"{row % 7},{'ab'[row % 2]},{row * 1.5}\n" for row in range(80)))
    return [part for part in KINDS[kind] if not (has_model and part.startswith("model"))]


def test_the_menu_is_not_empty(record_property) -> None:
    print(f"{len(CHOICES)} options of {len(registry.groups())} groups, {len(registry.recipes())} recipes")
    record_property("options", len(CHOICES))
    assert len(registry.groups()) == 22
    assert len(CHOICES) >= 85


def with_kinds() -> Iterator[tuple[str, str, str]]:
    """Each option with images; in full with one other kind of data as well, so that each group meets every kind."""
    others = cycle([kind for kind in KINDS if kind != "images"])
    for group, option in CHOICES:
        yield group, option, "images"
        if FULL:
            yield group, option, next(others)


@pytest.mark.parametrize(("group", "option", "kind"), list(with_kinds()))
def test_every_option_trains_a_step_on_two_kinds_of_data_or_says_why_not(
    folder: Path, group: str, option: str, kind: str
) -> None:
    choice = f"{group}={option}"
    needs = NEEDS.get(choice)
    if needs and not (needs == "a GPU" and torch.cuda.is_available()):
        pytest.skip(f"needs {needs}")
    own = WITH.get(choice, [])
    has_model = any(part.startswith("model=") for part in [choice, *own])
    size = [] if choice == "batch=auto" else ["batch.size=8"]
    data = [*of_kind(folder, kind, has_model), *size, "steps=1"]
    if group == "transfer" and option != "none":
        own = [f"transfer.source={fastrun.train(data, quiet=True).directory}"]
    if applies(group, option, kind):
        run = fastrun.train([*data, *own, choice], quiet=True)
        assert run.summary["steps"] == 1
        assert run.summary["heuristics"][group]["requested"] == option
        return
    with pytest.raises(ConfigError) as error:
        fastrun.train([*data, *own, choice], quiet=True)
    assert error.value.hint
    assert len(error.value.render().splitlines()) == 2


@pytest.mark.full
@pytest.mark.parametrize("data", sorted(registry.options("data").keys() - FROM_FILES))
@pytest.mark.parametrize("model", sorted(registry.options("model").keys() - {"gpt", "lstm", "hf"}))
def test_every_data_set_trains_with_every_model(folder: Path, data: str, model: str) -> None:
    run = fastrun.train([f"data={data}", f"model={model}", "steps=1"], quiet=True)
    assert run.summary["steps"] == 1


@pytest.mark.parametrize("recipe", list(registry.recipes()))
def test_every_recipe_trains(folder: Path, recipe: str) -> None:
    own = ["steps=2", "speed.compile=false"]  # compiling takes half a minute
    run = fastrun.train([f"+recipe={recipe}", *own, *small_data(folder, recipe)], quiet=True)
    assert run.summary["recipe"] == recipe
    assert run.directory.parent.name == recipe


def small_data(folder: Path, recipe: str) -> list[str]:
    """Digits, or a file of the kind that the recipe is for."""
    if recipe == "text_classifier_hf":
        rows = "".join(f"it was {word} {number},{label}\n" for number in range(20) for label, word in WORDS.items())
        (folder / "it.csv").write_text("said,label\n" + rows)
        return ["data.source=it.csv", "data.text=said", "data.target=label", "data.length=8", "tokenizer.size=300"]
    if recipe == "gpt_bpe":
        (folder / "it.txt").write_text("to be, or not to be; " * 40)
        return ["data.root=it.txt", "data.length=8", "tokenizer.size=260"]
    if "text" in recipe:
        (folder / "it.txt").write_text("to be, or not to be; " * 40)
        return ["data.root=it.txt", "data.length=8"]
    if "table" in recipe:
        pytest.importorskip("polars")
        (folder / "it.csv").write_text("x,y\n" + "".join(f"{row % 7},{row * 1.5}\n" for row in range(80)))
        return ["data.root=it.csv", "data.target=y"]
    return ["data=digits"]


def test_the_lot_learns_digits(folder: Path) -> None:
    assert fastrun.train(["+recipe=resnet_amp"], quiet=True).summary["best"]["value"] >= 0.97


def test_baseline_turns_every_heuristic_to_its_neutral_option(folder: Path) -> None:
    from fastrun.compose import compose

    choices = compose(["+recipe=baseline"]).choices
    neutral = {
        group: option
        for group in registry.groups()
        for option, entry in registry.options(group).items()
        if "(neutral)" in entry.description
    }
    assert len(neutral) == 16
    assert {group: choices[group] for group in neutral} == neutral
