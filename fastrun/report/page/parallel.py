"""Parallel coordinates: an axis for each key that differs, and one for the result; a line for each run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from fastrun.report.page.axis import Axis, Tick, fit_axis
from fastrun.report.page.curve_chart import HEIGHT, WIDTH, to_path
from fastrun.report.page.sweep_runs import SweepRun

_MOST_KEYS = 7
_MARGIN = 0.06  # that stays empty above and below the values
_LONGEST = 14  # characters of a value


@dataclass(frozen=True)
class Coordinate:
    """An axis: its name, its place across, and its marks."""

    name: str
    at: Tick
    ticks: list[Tick]


@dataclass(frozen=True)
class ParallelLine:
    """The line of a run."""

    run: int
    label: str
    color: int
    rank: float
    path: str


@dataclass(frozen=True)
class Parallel:
    """The chart.

    Attributes:
        axes: the axes; the result is the last one.
        lines: the runs, the best last, so that it lies on top.
        keys_left_out: the number of keys that have no axis.
    """

    axes: list[Coordinate]
    lines: list[ParallelLine]
    keys_left_out: int


def draw_parallel(keys: Sequence[str], runs: Sequence[SweepRun], metric: str) -> Parallel | None:
    """Return the chart of runs that have a result; None where there are fewer than two, or nothing differs.

    Args:
        keys: the keys that differ.
        runs: the runs, the best first.
        metric: the metric of the result.
    """
    if len(runs) < 2 or not keys:
        return None
    shown = list(keys[:_MOST_KEYS])
    columns = [_place_values([run.values.get(key, "") for run in runs]) for key in shown]
    results = np.array([run.record.best for run in runs], np.float64)
    axis = fit_axis(results, margin=_MARGIN)
    columns.append((axis.place(results).tolist(), axis.ticks))
    across = np.linspace(0, WIDTH, len(columns))
    places = np.array([column[0] for column in columns]).T
    last = len(runs) - 1
    lines = [
        ParallelLine(run.number, run.described, index % 8, 1 - index / last, to_path(across, (1 - place) * HEIGHT))
        for index, (run, place) in enumerate(zip(runs, places, strict=True))
    ]
    axes = [
        Coordinate(name, Tick(float(at) / WIDTH, name), ticks)
        for name, at, (_, ticks) in zip([*shown, metric], across, columns, strict=True)
    ]
    return Parallel(axes, lines[::-1], len(keys) - len(shown))


def _place_values(values: Sequence[str]) -> tuple[list[float], list[Tick]]:
    """Return where each value stands on an axis, and the marks: numbers by their size, words side by side."""
    different = list(dict.fromkeys(values))
    try:
        numbers = np.array([float(value) for value in values])
    except ValueError:
        return _place_words(values, sorted(different))
    if not np.isfinite(numbers).all():
        return _place_words(values, sorted(different))
    axis = fit_axis(numbers, margin=_MARGIN, may_be_log=True)
    return axis.place(numbers).tolist(), _ticks_of(axis, sorted({float(value) for value in different}))


def _place_words(values: Sequence[str], different: list[str]) -> tuple[list[float], list[Tick]]:
    room = 1 - 2 * _MARGIN
    step = room / max(1, len(different) - 1)
    places = {word: _MARGIN + index * step if len(different) > 1 else 0.5 for index, word in enumerate(different)}
    ticks = [Tick(place, _shorten(word)) for word, place in places.items()]
    return [places[value] for value in values], ticks if len(ticks) <= 20 else []


def _ticks_of(axis: Axis, numbers: list[float]) -> list[Tick]:
    """Return marks at the numbers themselves where they are few and apart, else the axis's own."""
    places = [axis.place_one(one) for one in numbers]
    is_apart = all(after - before > 0.05 for before, after in pairwise(places))
    return [Tick(at, f"{one:g}") for at, one in zip(places, numbers, strict=True)] if is_apart else axis.ticks


def _shorten(word: str) -> str:
    word = word or "not set"
    return word if len(word) <= _LONGEST else f"{word[: _LONGEST - 1]}…"
