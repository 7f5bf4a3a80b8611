"""The points of a sweep: all combinations of its axes, zipped axes, or points drawn at random."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from random import Random

from fastrun.compose.search.space import Axis, Overrides, Values
from fastrun.errors import ConfigError, nearest


def grid(axes: Sequence[Axis]) -> list[Overrides]:
    """Return every combination of the places on some axes. The last axis changes fastest.

    Raises:
        ConfigError: an axis has no end of places.
    """
    return [merge(places) for places in itertools.product(*(axis.places() for axis in axes))]


def sample(axes: Sequence[Axis], count: int, seed: int) -> list[Overrides]:
    """Return different points in random order; all of the grid if it has no more than ``count``."""
    generator = Random(seed)
    points: dict[tuple[tuple[str, str], ...], None] = {}
    if count >= size(axes):
        points = dict.fromkeys(tuple(point.items()) for point in grid(axes))
    while len(points) < min(count, size(axes)):
        points.setdefault(tuple(merge([axis.draw(generator) for axis in axes]).items()))
    return [dict(point) for point in points]


def size(axes: Sequence[Axis]) -> float:
    """Return the number of different points."""
    return math.prod(axis.size for axis in axes)


def zip_axes(axes: Sequence[Axis], which: bool | Sequence[str]) -> list[Axis]:
    """Return the axes with some of them zipped into one, which replaces the first of these.

    Args:
        axes: all axes.
        which: the keys whose axes are zipped; True for all, False or nothing for none.

    Raises:
        ConfigError: the axes have different numbers of values, or no end of them, or a key is not swept over.
    """
    if not which:
        return list(axes)
    keys = None if which is True else [bare_key(key) for key in which]
    if keys is not None:
        _check_swept(axes, keys)
    together = [axis for axis in axes if keys is None or bare_key(axis.keys[0]) in keys]
    if not together:
        return list(axes)
    _check_lengths(together)
    rest = [axis for axis in axes if axis not in together]
    place = sum(axis in rest for axis in axes[: axes.index(together[0])])
    return [*rest[:place], _zip(together), *rest[place:]]


def _zip(axes: Sequence[Axis]) -> Values:
    """Return one axis whose first place has the first values of several axes, and so on."""
    keys = [key for axis in axes for key in axis.keys]
    return Values(keys, [merge(places) for places in zip(*(axis.places() for axis in axes), strict=True)])


def _check_lengths(axes: Sequence[Axis]) -> None:
    """Check that all axes have the same number of values.

    Raises:
        ConfigError: they have not, or one has no end of values.
    """
    lengths = {axis.keys[0]: len(axis.places()) for axis in axes}
    if len(set(lengths.values())) > 1:
        counts = ", ".join(f"{key} has {length}" for key, length in lengths.items())
        raise ConfigError(f"sweep.zip: zipped keys need the same number of values: {counts}", "give each as many")


def merge(places: Sequence[Overrides]) -> Mapping[str, str]:
    """Return the combined overrides of several places."""
    return {key: text for place in places for key, text in place.items()}


def bare_key(key: str) -> str:
    """Return a key without the ``+`` that adds it."""
    return key.lstrip("+")


def _check_swept(axes: Sequence[Axis], which: Sequence[str]) -> None:
    swept = [bare_key(key) for axis in axes for key in axis.keys]
    for key in which:
        if bare_key(key) not in swept:
            hint = nearest(key, swept) or f"swept over: {', '.join(swept) or 'nothing'}"
            raise ConfigError(f"sweep.zip={key} is not swept over", hint)
