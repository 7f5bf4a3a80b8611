"""Axes: where a value stands between two ends, and the marks between them."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, isfinite, log10

import numpy as np

from fastrun.report.page.series import Floats

_MOST_DECADES = 6  # that are marked
_THOUSANDS_FROM = 1e4  # an axis that reaches so far is marked in thousands, all of it
_LOG_FROM = 30.0  # times from the lowest to the highest value: then a logarithmic axis shows more


@dataclass(frozen=True)
class Tick:
    """A mark.

    Attributes:
        at: its place, from 0 to 1.
        label: what stands beside it.
    """

    at: float
    label: str

    @property
    def percent(self) -> str:
        """Return its place as CSS writes it."""
        return f"{100 * self.at:.2f}%"


@dataclass(frozen=True)
class Axis:
    """An axis.

    Attributes:
        low: the value at its beginning.
        high: the value at its end.
        is_log: whether it is logarithmic; both ends are positive then.
        ticks: the marks.
    """

    low: float
    high: float
    is_log: bool
    ticks: list[Tick]

    def place(self, values: Floats) -> Floats:
        """Return where values stand, from 0 to 1; NaN where a logarithmic axis has no place for one."""
        if not self.is_log:
            return (values - self.low) / (self.high - self.low)
        with np.errstate(divide="ignore", invalid="ignore"):
            logs = np.log(np.where(values > 0, values, np.nan) / self.low)
        return np.asarray(logs / np.log(self.high / self.low), np.float64)

    def place_one(self, value: float) -> float:
        """Return where a value stands."""
        return float(self.place(np.array([value]))[0])


def fit_axis(values: Floats, *, margin: float = 0.04, count: int = 5, may_be_log: bool = False) -> Axis:
    """Return an axis on which all values have a place.

    Args:
        values: the values; those that are not finite are left out.
        margin: the share of the axis that stays empty at either end.
        count: about the number of marks.
        may_be_log: make it logarithmic where the values are positive and span more than a factor of 30.
    """
    finite = values[np.isfinite(values)]
    if not len(finite):
        return linear_axis(0.0, 1.0, count)
    low, high = float(finite.min()), float(finite.max())
    if may_be_log and low > 0 and high / low > _LOG_FROM:
        factor = (high / low) ** margin
        return log_axis(low / factor, high * factor)
    gap = margin * (high - low)
    return linear_axis(low - gap, high + gap, count)


def linear_axis(low: float, high: float, count: int = 5) -> Axis:
    """Return a linear axis with round marks; where both ends are equal it reaches beyond them."""
    if not low < high:
        half = abs(low) / 2 or 0.5
        low, high = low - half, high + half
    step = _round_step((high - low) / count)
    decimals = max(0, -floor(log10(step) + 1e-9))
    marks = [index * step for index in range(ceil(low / step - 1e-9), floor(high / step + 1e-9) + 1)]
    is_large = any(abs(mark) >= _THOUSANDS_FROM for mark in marks)
    labels = [_thousands(mark) if is_large else _label(mark, decimals) for mark in marks]
    places = [(mark - low) / (high - low) for mark in marks]
    return Axis(low, high, False, [Tick(at, label) for at, label in zip(places, labels, strict=True)])


def log_axis(low: float, high: float) -> Axis:
    """Return a logarithmic axis with marks at powers of ten, and between them where there are few."""
    first, last = floor(log10(low)), ceil(log10(high))
    stride = max(1, ceil((last - first) / _MOST_DECADES))
    factors = (1,) if log10(high / low) > 2 else (1, 2, 5)
    marks = [factor * 10.0**power for power in range(first, last + 1, stride) for factor in factors]
    inside = [mark for mark in marks if low <= mark <= high]
    span = log10(high / low)
    return Axis(low, high, True, [Tick(log10(mark / low) / span, _power_label(mark)) for mark in inside])


def _round_step(least: float) -> float:
    """Return the least of 1, 2 or 5 times a power of ten that is not below a number."""
    if not isfinite(least) or least <= 0:
        return 1.0
    power = 10.0 ** floor(log10(least))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= least * (1 - 1e-9))


def _thousands(mark: float) -> str:
    if 0 < abs(mark) < 1e6:
        return f"{mark / 1e3:g}k"
    return _label(mark, 0)


def _label(mark: float, decimals: int) -> str:
    if abs(mark) < 1e-12:
        return "0"
    if abs(mark) >= 1e6:
        return f"{mark / 1e6:g}M"
    if abs(mark) >= 1e4:
        return f"{mark / 1e3:g}k"
    if decimals > 5:
        return f"{mark:.3g}"
    return f"{mark:.{decimals}f}"


def _power_label(mark: float) -> str:
    if 1e4 <= mark < 1e9:
        return _label(mark, 0)
    return f"{mark:g}".replace("e+", "e").replace("e0", "e").replace("e-0", "e-")
