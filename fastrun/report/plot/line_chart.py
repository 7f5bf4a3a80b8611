"""What runs measured as a chart: lines over steps, seconds or samples."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, log10

_STEPS = 1, 2, 2.5, 5, 10  # of the numbers along an axis, times a power of ten


@dataclass(frozen=True)
class Line:
    """A line of a chart.

    Attributes:
        name: what it is; lines of one name have one color, and one line in the legend.
        xs: the horizontal values, in ascending order.
        ys: the vertical values, which are finite.
    """

    name: str
    xs: list[float]
    ys: list[float]


@dataclass(frozen=True)
class LineChart:
    """Lines over a linear horizontal axis.

    Attributes:
        x_name: what is along the horizontal axis, with its unit.
        y_name: what is along the vertical axis.
        lines: the lines, each with at least one point; there is at least one.
        mark: a vertical value to point out, such as a target; None for none.
        mark_name: what it is.
    """

    x_name: str
    y_name: str
    lines: list[Line]
    mark: float | None = None
    mark_name: str = "target"

    @property
    def names(self) -> list[str]:
        """Return the names of the lines, each once, in their order."""
        return list(dict.fromkeys(line.name for line in self.lines))

    @property
    def x_range(self) -> tuple[float, float]:
        """Return the ends of the horizontal axis, which are not the same."""
        return _range([x for line in self.lines for x in (line.xs[0], line.xs[-1])], 0.0)

    @property
    def y_range(self) -> tuple[float, float]:
        """Return the ends of the vertical axis, which are not the same."""
        marks = [] if self.mark is None else [self.mark]
        return _range([y for line in self.lines for y in (min(line.ys), max(line.ys))] + marks, 0.04)


def _range(values: list[float], margin: float) -> tuple[float, float]:
    low, high = min(values), max(values)
    if low == high:
        half = abs(low) / 10 or 0.5
        return low - half, high + half
    return low - margin * (high - low), high + margin * (high - low)


def round_ticks(low: float, high: float, most: int) -> list[float]:
    """Return round values within a range, at most so many, with equal distances."""
    size = 10 ** floor(log10((high - low) / most))
    for factor in (*_STEPS, 20, 50):
        step = factor * size
        first, last = -floor(-low / step + 1e-9), floor(high / step + 1e-9)
        if last - first < most:
            return [round(number * step, 12) for number in range(first, last + 1)]
    return []


def format_tick(value: float) -> str:
    """Return a number of an axis: 0.25, 1,500, 20k, 1.5M."""
    for least, size, letter in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= least:
            return f"{value / size:g}{letter}"
    return f"{value:,g}"
