"""What may change in a race: axes of options and of numbers, and quasi-random points of their space."""

from __future__ import annotations

import itertools
import math
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from random import Random

from scipy.stats import qmc

from fastrun.config import registry
from fastrun.config.settings import Settings
from fastrun.errors import ConfigError
from fastrun.study.factors import NO_HEURISTICS, SET_BY_STUDY
from fastrun.study.settings import split_list

_GROUPS = ("init", "optimizer", "schedule", "norm", "clip", "amp", "augment", "ema", "pipeline")  # need nothing else
_RATES = "0.25x..4x"  # of the learning rate that a candidate has otherwise
_CHANGES = 3  # axes that a candidate changes on average; on the others it is as the given run
_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_RANGE = re.compile(rf"({_NUMBER})(x?)\.\.({_NUMBER})(x?)")
_HINT = "write overrides with values: race.space='[optimizer=sgd,adamw optimizer.lr=0.001..0.1]'"


@dataclass(frozen=True)
class Axis:
    """A key of the config, and what it may be.

    Attributes:
        key: a group, or a key such as ``optimizer.lr``.
        values: what it may be; empty for a range.
        low: the lower end of a range.
        high: its upper end.
        is_factor: whether a range is one of factors of the value that a candidate has otherwise.
        is_whole: whether a range holds integers alone.
    """

    key: str
    values: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 0.0
    is_factor: bool = False
    is_whole: bool = False

    @property
    def is_group(self) -> bool:
        """Say whether it is a group, whose values are options."""
        return self.key in registry.groups()

    def ends(self) -> list[str]:
        """Return its values, or the ends of its range, as overrides; none of a range of factors."""
        if self.values:
            return [f"{self.key}={value}" for value in self.values]
        return [] if self.is_factor else [self.at(0.0), self.at(1.0)]

    def at(self, share: float) -> str:
        """Return the override at a place from 0 to 1; numbers are spread evenly over their logarithms.

        A factor is written as ``optimizer.lr=2x``.
        """
        if self.values:
            return f"{self.key}={self.values[min(len(self.values) - 1, int(share * len(self.values)))]}"
        number = self.low * (self.high / self.low) ** share
        text = str(round(number)) if self.is_whole else f"{number:.3g}"
        return f"{self.key}={text}{'x' if self.is_factor else ''}"

    def __str__(self) -> str:
        """Return it as it is typed."""
        if self.values:
            return f"{self.key}={','.join(self.values)}"
        mark = "x" if self.is_factor else ""
        return f"{self.key}={self.low:g}{mark}..{self.high:g}{mark}"


def parse_space(text: str) -> list[Axis]:
    """Return the axes of a space as it was typed.

    Args:
        text: overrides with several values, such as ``[optimizer=sgd,adamw optimizer.lr=0.001..0.1]``.

    Raises:
        ConfigError: it is empty, or something in it is no axis.
    """
    inner = text.strip()
    inner = inner[1:-1] if inner.startswith("[") and inner.endswith("]") else inner
    try:
        items = [item.strip(",") for item in shlex.split(inner)]
    except ValueError as error:
        raise ConfigError(f"race.space: {error}", _HINT) from error
    axes = [_axis(item) for item in items if item]
    if not axes:
        raise ConfigError("race.space is empty", f"{_HINT}, or leave it out for the options of every group")
    for axis in axes:
        if sum(other.key == axis.key for other in axes) > 1:
            raise ConfigError(f"race.space: {axis.key} is there twice", f"write {axis.key}=…,… once")
    return axes


def default_space(settings: Settings) -> list[Axis]:
    """Return the options of every group of heuristics that needs nothing else, and learning rates around the own ones.

    Args:
        settings: the given run, whose options come first.
    """
    axes = []
    for group in _GROUPS:
        own, options = settings.choices.get(group), list(registry.options(group))
        if own in options:
            axes.append(Axis(group, (own, *(option for option in options if option != own))))
    return [*axes, _axis(f"optimizer.lr={_RATES}")]


def _axis(item: str) -> Axis:
    key, equals, typed = item.partition("=")
    if not equals or not typed:
        raise ConfigError(f"race.space: {item} has no values", _HINT)
    group = key.partition(".")[0]
    if group in (*NO_HEURISTICS, *SET_BY_STUDY) or key.startswith(("+", "~")):
        raise ConfigError(f"race.space: {key} is the same in every run of a race", "leave it out of the space")
    found = _RANGE.fullmatch(typed)
    if found is None:
        return Axis(key, tuple(dict.fromkeys(split_list(f"[{typed}]"))))
    low, high, marks = float(found[1]), float(found[3]), {found[2], found[4]}
    if not 0 < low < high or len(marks) > 1:
        hint = "write the smaller end first, both above 0: optimizer.lr=0.001..0.1, or 0.25x..4x for factors"
        raise ConfigError(f"race.space: {item} is no range", hint)
    is_factor = "x" in marks
    is_whole = not is_factor and found[1].isdecimal() and found[3].isdecimal()
    return Axis(key, (), low, high, is_factor, is_whole)


def points(axes: Sequence[Axis], seed: int, most: int) -> Iterator[list[str]]:
    """Yield points of a space, as overrides: all of a small one in random order, else quasi-random ones without end.

    A point of a space of many axes changes about three of them, since a run that is changed in everything at once is
    seldom a good one.

    Source: Halton 1960, scrambled after Owen 2017, as scipy has it.

    Args:
        axes: the axes.
        seed: decides which points, and their order.
        most: a space with no more points than that is small.
    """
    if all(axis.values for axis in axes) and math.prod(len(axis.values) for axis in axes) <= most:
        grid = [list(point) for point in itertools.product(*(axis.ends() for axis in axes))]
        Random(seed).shuffle(grid)
        yield from grid
        return
    keep = max(0.0, 1 - _CHANGES / len(axes))
    sampler = qmc.Halton(len(axes), rng=seed)
    while True:
        place = sampler.random(1)[0]
        changed = [(axis, (float(at) - keep) / (1 - keep)) for axis, at in zip(axes, place, strict=True) if at >= keep]
        yield [axis.at(share) for axis, share in changed]
