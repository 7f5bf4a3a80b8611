"""What a search measured as a chart: losses over a number with a logarithmic scale."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

Points = tuple[list[float], list[float]]
_DECADES = 8  # marked on the axis, at most


@dataclass(frozen=True)
class Chart:
    """Lines and points over a logarithmic horizontal axis.

    Attributes:
        x_name: what is along the horizontal axis.
        y_name: what is along the vertical axis.
        lines: the lines, each as its horizontal and its vertical values.
        lines_name: what the lines are; empty where there are none.
        points: the points.
        points_name: what the points are.
        mark: a horizontal value to point out; 0, which has no logarithm, is not drawn.
        mark_name: what it is.
        bottom: the lower end of the vertical axis.
        top: its upper end; what is above is drawn there.
        ticks: the horizontal values with a number.
    """

    x_name: str
    y_name: str
    lines: list[Points]
    lines_name: str
    points: Points
    points_name: str
    mark: float
    mark_name: str
    bottom: float
    top: float
    ticks: list[float]

    @property
    def x_range(self) -> tuple[float, float]:
        """Return the ends of the horizontal axis, as logarithms to the base 10."""
        values = [x for xs, _ in (*self.lines, self.points) for x in xs]
        low, high = log10(min(values)), log10(max(values))
        return (low, high) if low < high else (low - 0.5, high + 0.5)

    @property
    def y_range(self) -> tuple[float, float]:
        """Return the ends of the vertical axis, which are not the same."""
        return (self.bottom, self.top) if self.bottom < self.top else (self.bottom, self.bottom + 1)


def finite(pairs: list[tuple[float, float]]) -> Points:
    """Return pairs as horizontal and vertical values, without those whose vertical value is infinite."""
    kept = [(x, y) for x, y in pairs if isfinite(y)]
    return [x for x, _ in kept], [y for _, y in kept]


def decades(low: float, high: float) -> list[float]:
    """Return the powers of ten between two values; every second one, or fewer, where they are many."""
    first, last = ceil(log10(low) - 1e-9), floor(log10(high) + 1e-9)
    step = max(1, -(-(last - first + 1) // _DECADES))
    return [float(f"1e{exponent}") for exponent in range(first, last + 1, step)]
