"""The exact signed-rank test, and the interval and estimate that belong to it.

All three come from the Walsh averages: the means of all pairs of differences, each with itself included. The test flips
the signs of the ranks in all 2^n ways, which takes no enumeration. The center that it speaks of is the pseudo-median
and not the mean for three reasons: a missed run is an infinite difference, which has a rank but no mean; one block in
which the machine was disturbed hardly moves it; and for normal noise it needs only 5 % more blocks.

Sources: Hodges and Lehmann, "Estimates of location based on rank tests", 1963; Hollander, Wolfe and Chicken,
"Nonparametric statistical methods", 2014, section 3. scipy's ``wilcoxon`` gives the p-value alone, without ties.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from fastrun.study.verdict.pairs import Vector


def p_value(low: Vector, high: Vector) -> float:
    """Return the two-sided p-value of "the differences are symmetric about 0".

    Exact if each difference is known and none of the averages is 0. Averages of 0 count against the claim, whichever it
    is, and a difference that is known by bounds counts as the bound that speaks against the claim. So the p-value is
    never too small, and it is at most alpha exactly where `interval` leaves out 0.

    Args:
        low: what each difference is at least, shape (n,).
        high: what it is at most, shape (n,).
    """
    cumulative = distribution(len(low))
    above, below = (walsh(low) > 0).sum(), (walsh(high) < 0).sum()
    return float(min(1.0, 2 * cumulative[-1 - max(above, below)]))


def interval(low: Vector, high: Vector, alpha: float) -> tuple[float, float]:
    """Return the interval of the center, at confidence 1 - alpha: the values that the test does not reject.

    Args:
        low: what each difference is at least, shape (n,).
        high: what it is at most, shape (n,).
        alpha: the error, both sides together.

    Returns:
        The ends; infinite where the differences are too few, or too many of them have no bound.
    """
    left_out = int(np.searchsorted(distribution(len(low)), alpha / 2, side="right"))
    if left_out == 0:
        return -math.inf, math.inf
    lows, highs = walsh(low), walsh(high)
    lows[np.isnan(lows)], highs[np.isnan(highs)] = -math.inf, math.inf
    return float(np.sort(lows)[left_out - 1]), float(np.sort(highs)[-left_out])


def center(low: Vector, high: Vector) -> float:
    """Return the pseudo-median: the median of the Walsh averages.

    A difference with a bound only counts as infinite. Averages of two opposite infinite ones are left out.

    Args:
        low: what each difference is at least, shape (n,), n above 0.
        high: what it is at most, shape (n,).
    """
    averages = walsh(np.where(np.isinf(low), low, high))
    averages = averages[~np.isnan(averages)]
    with np.errstate(invalid="ignore"):
        return float(np.median(averages))


def walsh(values: Vector) -> Vector:
    """Return the means of all pairs of values, shape (n(n+1)/2,); not a number for two opposite infinite values."""
    first, second = np.triu_indices(len(values))
    with np.errstate(invalid="ignore"):
        return (values[first] + values[second]) / 2


@lru_cache
def distribution(count: int) -> Vector:
    """Return P(W <= w) for w = 0 … n(n+1)/2, where W is the sum of those of the ranks 1 … n that get a plus.

    Each rank gets its sign by a fair coin: this is the distribution over all 2^n flips of the signs.
    """
    density = np.ones(1)
    for rank in range(1, count + 1):
        density = (np.pad(density, (0, rank)) + np.pad(density, (rank, 0))) / 2
    return np.cumsum(density)
