"""What runs measured as a chart: lines over steps, seconds or samples."""

from __future__ import annotations

from dataclasses import dataclass
from math import floor, log10

from fastrun.report.plot.chart import decades

_STEPS = 1, 2, 2.5, 5, 10  # of the numbers along an axis, times a power of ten
_LOG_FROM = 30.0  # times from the lowest to the highest loss


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

    The vertical axis is logarithmic where a loss falls by much, since nothing but its first steps could be seen else.

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
    def is_log(self) -> bool:
        """Say whether the vertical axis is logarithmic."""
        ends = self._ends
        return self.y_name.endswith("loss") and min(ends) > 0 and max(ends) / min(ends) > _LOG_FROM

    @property
    def y_range(self) -> tuple[float, float]:
        """Return the ends of the vertical axis, which are not the same."""
        if not self.is_log:
            return _range(self._ends, 0.04)
        low, high = _range([log10(end) for end in self._ends], 0.04)
        return 10**low, 10**high

    @property
    def y_ticks(self) -> list[float] | None:
        """Return the powers of ten for a logarithmic vertical axis; None for another one."""
        return decades(*self.y_range) if self.is_log else None

    @property
    def _ends(self) -> list[float]:
        """Return the lowest and the highest value of each line, and the mark."""
        marks = [] if self.mark is None else [self.mark]
        return [y for line in self.lines for y in (min(line.ys), max(line.ys))] + marks


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
