"""Domains: declared once beside the type of a key or an argument, and read by one check."""

from __future__ import annotations

import math
import typing
from dataclasses import dataclass
from typing import Annotated, Any

import pytest

import fastrun
from fastrun.compose import compose
from fastrun.config import constraints, instantiate, registry
from fastrun.config.constraints import BelowOne, Count, Length, Natural, Positive, Range, Seconds, Share, Words
from fastrun.config.settings import OPEN, domains
from fastrun.config.value_types import hints_of
from fastrun.errors import ConfigError

TINY = ["data=synthetic", "data.samples=64", "data.shape=[3,8,8]", "data.classes=2", "model=cnn", "model.depth=1",
        "model.width=2", "steps=1", "batch.size=8"]  # fmt: skip


@dataclass
class Ge:
    """A marker as the package annotated-types has it."""

    ge: float


@pytest.mark.parametrize(
    ("value", "expected", "message", "hint"),
    [
        (0, Count, "a.b=0 is too small", "the minimum is 1"),
        (0.0, Positive, "a.b=0.0 is too small", "it must be above 0"),
        (1.5, Share, "a.b=1.5 is too large", "it must be in [0, 1]"),
        (1.0, BelowOne, "a.b=1.0 is too large", "it must be in [0, 1)"),
        (math.nan, Share, "a.b=nan is not a finite number", "it must be in [0, 1]"),
        (math.inf, Positive | None, "a.b=inf is not a finite number", "it must be above 0"),
        (-math.inf, float, "a.b=-inf is not a finite number", "write a finite number"),
        (math.nan, Any, "a.b=nan is not a finite number", "write a finite number"),
        (2**64, int, f"a.b={2**64} is too large", "it must fit into 64 bits"),
        ([8, 0], tuple[Count, ...], "a.b=[8, 0]: 0 is too small", "the minimum is 1"),
        ([0.9, 1.0], tuple[BelowOne, BelowOne], "a.b=[0.9, 1.0]: 1.0 is too large", "it must be in [0, 1)"),
        ([4, 0], Count | tuple[Count, Count] | None, "a.b=[4, 0]: 0 is too small", "the minimum is 1"),
        ({"head": math.inf}, Any, "a.b={'head': inf}: inf is not a finite number", "write a finite number"),
        (-1, Annotated[int, Ge(0)], "a.b=-1 is too small", "the minimum is 0"),
        ("tow", Annotated[str, Words(("one", "two"))], "a.b=tow is not known", "did you mean two?"),
        ("", Annotated[str, Length()], "a.b= is not a duration", "write 500 (steps)"),
        ("1" * 400, Annotated[str, Length()], "is not a duration", "write 500 (steps)"),
        ("0ep", Annotated[str, Length()], "a.b=0ep is less than a step", "a longer duration"),
        ("1h", Annotated[str, Length(minutes=True)], "a.b=1h is not a duration", "or 10min"),
        ("NaN", Annotated[str, Seconds()], "a.b=NaN is not a time", "write 90s, 30min or 2h"),
        (11, Annotated[int, Range(le=10, advice="2 is usual")], "a.b=11 is too large", "the maximum is 10; 2 is usual"),
    ],
)
def test_a_value_outside_its_domain_is_refused_with_its_key_and_the_range(value, expected, message, hint) -> None:
    with pytest.raises(ConfigError) as caught:
        constraints.check("a.b", value, expected)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, Count), (None, Count | None), (0, Natural), (True, Natural), (1e-300, Positive), (1, Share), ("x", str),
        ([], tuple[Count, ...]), ([4, 4], Count | tuple[Count, Count]), ("10min", Annotated[str, Length(minutes=True)]),
        ("0", Annotated[str, Length(zero=True)]), (None, Annotated[str, Seconds()] | None), (math.pi, Any),
    ],
)  # fmt: skip
def test_a_value_inside_its_domain_is_taken(value, expected) -> None:
    constraints.check("a.b", value, expected)


# What each of these did before it was refused: hung for ever, ended as a bug, or was swallowed.
COMPOSED = [
    ("early_stopping.seconds=inf", "it must be above 0"),
    ("sweep.timeout=NaN", "write 90s, 30min or 2h"),
    ("clip.eps=inf", "the minimum is 0"),
    ("transfer.lr_scale=1e30", "it must be in (0, 10]"),
    ("ema.every=''", "write 500 (steps)"),
    ("speed.compile_mode=-1e30", "choose from default"),
    ("early_stopping.metric=-1e30", "choose from val/loss"),
    ("target.value=nan", "write a finite number"),
    ("seed=99999999999999999999", "64 bits"),
    ("pipeline.num_workers=100000", "it must be in [0, 1024]"),
]


@pytest.mark.sampled
@pytest.mark.parametrize(("override", "hint"), COMPOSED)
def test_a_key_with_a_value_outside_its_domain_does_not_compose(override: str, hint: str) -> None:
    options = {"early_stopping": "patience", "clip": "agc", "transfer": "finetune", "ema": "ema", "pipeline": "workers"}
    group = override.partition(".")[0]
    with pytest.raises(ConfigError) as caught:
        compose([*([f"{group}={options[group]}"] if group in options else []), override])
    assert caught.value.message.startswith(override.partition("=")[0])
    assert hint in (caught.value.hint or "")


TRAINED = [
    (["augment=mixup", "augment.mixup=nan"], "it must be in [0, 1000]"),
    (["init=orthogonal", "init.gain=-1"], "it must be in (0, 1000]"),
    (["optimizer=schedulefree", "optimizer.r=1e30"], "it must be in [0, 100]"),
    (["norm.eps=0"], "it must be in (0, 1]"),
    (["model=vit", "model.patch=0"], "the minimum is 1"),
    (["optimizer=sgd", "optimizer.lr=inf"], "the minimum is 0"),
    (["optimizer.betas=[0.9,nan]"], "it must be in [0, 1)"),
    (["schedule.start=nan"], "it must be in [0, 1]"),
    (["loss=cross_entropy", "loss.label_smoothing=-1"], "it must be in [0, 1)"),
]


@pytest.mark.sampled
@pytest.mark.parametrize(("overrides", "hint"), TRAINED)
def test_an_argument_with_a_value_outside_its_domain_ends_before_anything_is_trained(folder, overrides, hint) -> None:
    with pytest.raises(ConfigError) as caught:
        fastrun.train([*TINY, *overrides], quiet=True)
    assert caught.value.message.startswith(overrides[-1].partition("=")[0])
    assert hint in (caught.value.hint or "")


def numbers_in(expected: Any) -> list[tuple[type, bool]]:
    """The numbers in an annotation, and whether each has a domain."""
    if expected in (int, float):
        return [(expected, False)]
    if typing.get_origin(expected) is Annotated:
        return [(kind, True) for kind, _ in numbers_in(typing.get_args(expected)[0])]
    return [found for part in typing.get_args(expected) for found in numbers_in(part)]


GIVEN = {
    "in_shape",
    "num_classes",
    "vocabulary",
    "steps",
    "steps_per_epoch",
    "channels",
    "dims",
    "step",
    "return",
    "ignore_index",
}
OWN = [
    (group, name)
    for group in OPEN
    for name in registry.shipped_options(group)
    if registry.target_of(group, name) is not None
]


@pytest.mark.parametrize(("group", "option"), OWN)
def test_every_number_that_an_option_of_our_own_takes_has_a_domain(group: str, option: str) -> None:
    hints = hints_of(instantiate.locate(option, group))
    assert hints
    bare = [name for name, kind in hints.items() for _, has_one in numbers_in(kind) if not has_one]
    assert set(bare) - GIVEN == set()


def test_every_number_of_the_settings_has_a_domain_or_may_be_any_finite_one() -> None:
    bare = {key for key, kind in domains().items() for _, has_one in numbers_in(kind) if not has_one}
    assert bare == {"target.value"}
