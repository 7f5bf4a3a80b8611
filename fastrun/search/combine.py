"""From the axes of a sweep to its points: each with each, side by side, or some drawn at random."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from random import Random

from fastrun.errors import ConfigError, nearest
from fastrun.search.axis import Axis, Side, Values


def grid(axes: Sequence[Axis]) -> list[Side]:
    """Return every combination of the places on some axes, the last axis' changing fastest.

    Raises:
        ConfigError: an axis has no end of places.
    """
    return [merged(sides) for sides in itertools.product(*(axis.sides() for axis in axes))]


def drawn(axes: Sequence[Axis], count: int, seed: int) -> list[Side]:
    """Return so many different points drawn from the grid, in the order of drawing; all where there are no more."""
    chance = Random(seed)
    found: dict[tuple[tuple[str, str], ...], None] = {}
    if count >= size(axes):
        found = dict.fromkeys(tuple(point.items()) for point in grid(axes))
    while len(found) < min(count, size(axes)):
        found.setdefault(tuple(merged([axis.draw(chance) for axis in axes]).items()))
    return [dict(point) for point in found]


def size(axes: Sequence[Axis]) -> float:
    """Return how many different points there are."""
    return math.prod(axis.size for axis in axes)


def zipped(axes: Sequence[Axis], which: bool | Sequence[str]) -> list[Axis]:
    """Return the axes, those to go along together made one, in the place of the first of them.

    Args:
        axes: all of them.
        which: the keys that go together, True for all.

    Raises:
        ConfigError: they have different numbers of values, or no end of them, or a key is not swept over.
    """
    together = [axis for axis in axes if which is True or (which and bare(axis.keys[0]) in map(bare, which))]
    if which and which is not True:
        _check_swept(axes, which)
    if not together:
        return list(axes)
    lengths = {axis.keys[0]: len(axis.sides()) for axis in together}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{key} has {length}" for key, length in lengths.items())
        raise ConfigError(f"sweep.zip: keys that go together need as many values each: {said}", "give each as many")
    keys = [key for axis in together for key in axis.keys]
    one = Values(keys, [merged(sides) for sides in zip(*(axis.sides() for axis in together), strict=True)])
    return [one if axis is together[0] else axis for axis in axes if axis is together[0] or axis not in together]


def merged(sides: Sequence[Side]) -> Mapping[str, str]:
    """Return what several places say together."""
    return {key: text for side in sides for key, text in side.items()}


def bare(key: str) -> str:
    """Return a key without the ``+`` that adds it."""
    return key.lstrip("+")


def _check_swept(axes: Sequence[Axis], which: Sequence[str]) -> None:
    swept = [bare(key) for axis in axes for key in axis.keys]
    for key in which:
        if bare(key) not in swept:
            hint = nearest(key, swept) or f"swept over: {', '.join(swept) or 'nothing'}"
            raise ConfigError(f"sweep.zip={key} is not swept over", hint)
