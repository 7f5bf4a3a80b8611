"""What a range test shows: the rate at which the loss begins to fall, falls fastest, and diverges."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_SMOOTHING = 0.03  # standard deviation of the smoothing, as a share of a test of all steps
_START = 0.1  # share of the steps that show the loss before it falls
_BEGUN = 0.1  # share of the fall after which it has begun
_LEAST_FALL = 0.01  # of the loss before it falls
_NOISE = 1.5  # standard deviations of the loss before it falls: less may be chance
_LEAST_STEPS = 5

Values = NDArray[np.float64]


@dataclass(frozen=True)
class Fall:
    """The rates between which the loss of a range test falls.

    Attributes:
        begins: the rate at which it begins to fall.
        steepest: the rate at which it falls fastest by the logarithm of the rate.
        diverges: the rate at which it is back where it began, or at which the test ended.
    """

    begins: float
    steepest: float
    diverges: float


def smooth(losses: Sequence[float], steps: int) -> Values:
    """Return losses smoothed by a Gaussian, ``[len(losses)]``; nearer the ends by the part of it that there is.

    Args:
        losses: the loss of each step of a range test.
        steps: the steps of a whole range test.
    """
    width = max(1.0, _SMOOTHING * steps)
    place = np.arange(len(losses))
    weights = np.exp(-(((place[:, None] - place) / width) ** 2) / 2)
    return np.asarray((weights @ np.asarray(losses)) / weights.sum(1))


def find_fall(rates: Sequence[float], losses: Sequence[float], steps: int) -> Fall | None:
    """Return where the loss of a range test falls; None where it does not.

    Args:
        rates: the rate of each step.
        losses: the loss of each step.
        steps: the steps of a whole range test; fewer were taken if it diverged.
    """
    if len(losses) < _LEAST_STEPS:
        return None
    smoothed, first = smooth(losses, steps), np.asarray(losses[: max(_LEAST_STEPS, round(_START * steps))])
    start, low = float(first.mean()), int(smoothed.argmin())
    fall = start - float(smoothed[low])
    if fall < max(_LEAST_FALL * abs(start), _NOISE * float(first.std())):
        return None
    above = np.flatnonzero(smoothed[:low] >= start - _BEGUN * fall)
    begin = int(above[-1]) + 1 if len(above) else 0
    slope = np.gradient(smoothed, np.log10(rates))
    steepest = begin + int(slope[begin : low + 1].argmin())
    back = np.flatnonzero(smoothed[low:] >= start)
    end = low + int(back[0]) if len(back) else len(losses) - 1
    return Fall(rates[begin], rates[steepest], rates[end])


def median_fall(falls: Sequence[Fall]) -> Fall:
    """Return the median of each rate by its logarithm, over the tests of several networks."""
    names = "begins", "steepest", "diverges"
    logs = np.log([[getattr(fall, name) for name in names] for fall in falls])
    return Fall(*np.exp(np.median(logs, 0)).tolist())
