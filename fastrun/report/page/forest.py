"""A forest plot: a row for each contrast, with its ratio and interval on one logarithmic axis."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import log10

import numpy as np

from fastrun.report.page.axis import Axis, Tick
from fastrun.report.page.curve_chart import WIDTH
from fastrun.report.page.number_format import ratio
from fastrun.report.page.study_files import VerdictRow

_MARKS = (1, 2, 0.5, 5, 0.2, 10, 0.1, 1.5, 0.67, 3, 0.33, 1.2, 0.8, 1.1, 0.9, 1.05, 0.95)  # the first that fit
_ENDS = (0.05, 0.1, 0.2, 0.33, 0.5, 0.67, 0.8, 0.9, 1.1, 1.2, 1.5, 2, 3, 5, 10, 20)  # the axis goes from one to one
_LEAST_GAP = 0.09  # between two marks, as a share of the axis
_MARGIN = 1.03  # beyond them, as a factor


@dataclass(frozen=True)
class ForestRow:
    """A row, whose places are in the units of an SVG that is ``WIDTH`` wide.

    Attributes:
        row: the verdict.
        begin: where the interval begins.
        end: where it ends.
        is_open_left: whether it goes on beyond the axis.
        is_open_right: the same at the right.
        ratio: the ratio's place; None where there is none.
        steps: the place of the ratio of steps.
        seconds: the place of the ratio of seconds a step.
        text: the row in words.
    """

    row: VerdictRow
    begin: int | None
    end: int | None
    is_open_left: bool
    is_open_right: bool
    ratio: int | None
    steps: int | None
    seconds: int | None
    text: str


@dataclass(frozen=True)
class Forest:
    """The plot.

    Attributes:
        axis: the ratios.
        one: where 1 is, which is no difference.
        grid: the marks as a path.
        band: where the ratios that are no material difference begin and how far they reach.
        rows: the rows.
    """

    axis: Axis
    one: int
    grid: str
    band: tuple[int, int]
    rows: list[ForestRow]


def draw_forest(verdicts: Sequence[VerdictRow], equivalence: float) -> Forest:
    """Return the plot of verdicts.

    Args:
        verdicts: the verdicts, in the order of the rows.
        equivalence: the distance from 1 that is no material difference.
    """
    axis = _axis(value for row in verdicts for value in (row.ratio, row.low, row.high, row.steps_ratio))

    def place(value: float | None) -> int | None:
        if value is None or value <= 0:
            return None
        return round(float(np.clip(axis.place_one(value), 0, 1)) * WIDTH)

    rows = []
    for row in verdicts:
        has_interval = row.low is not None or row.high is not None
        rows.append(
            ForestRow(
                row,
                begin=(place(row.low) or 0) if has_interval else None,
                end=(WIDTH if row.high is None else place(row.high)) if has_interval else None,
                is_open_left=has_interval and (row.low is None or row.low < axis.low),
                is_open_right=has_interval and (row.high is None or row.high > axis.high),
                ratio=place(row.ratio),
                steps=place(row.steps_ratio),
                seconds=place(row.seconds_ratio),
                text=describe_row(row),
            )
        )
    begin, end = place(1 - equivalence) or 0, place(1 + equivalence) or 0
    grid = "".join(f"M{round(tick.at * WIDTH)} -4v48" for tick in axis.ticks)
    return Forest(axis, place(1.0) or 0, grid, (begin, end - begin), rows)


def describe_row(row: VerdictRow) -> str:
    """Return a row in words."""
    if row.ratio is None:
        return f"{row.factor or 'A/A'}: {row.verdict}, without a ratio"
    return f"{row.factor or 'A/A'}: {row.verdict}, {ratio(row.ratio)} ({interval(row)})"


def interval(row: VerdictRow) -> str:
    """Return an interval in words."""
    if row.low is None and row.high is None:
        return "no interval"
    if row.high is None:
        return f"{ratio(row.low)} or more"
    return f"{ratio(row.high)} or less" if row.low is None else f"{ratio(row.low)} to {ratio(row.high)}"


def _axis(values: Iterable[float | None]) -> Axis:
    known = [value for value in values if value is not None and value > 0]
    first = max((end for end in _ENDS if end < 1 and end <= min(known, default=1.0)), default=_ENDS[0])
    last = min((end for end in _ENDS if end > 1 and end >= max(known, default=1.0)), default=_ENDS[-1])
    low, high = first / _MARGIN, last * _MARGIN
    span, ticks = log10(high / low), list[Tick]()
    for mark in (1, first, last, *_MARKS):
        at = log10(mark / low) / span
        if 0 <= at <= 1 and all(abs(at - other.at) >= _LEAST_GAP for other in ticks):
            ticks.append(Tick(at, f"{mark:g}"))
    return Axis(low, high, True, ticks)
