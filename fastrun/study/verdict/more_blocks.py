"""About how many more blocks would decide a contrast, if they were like those that there are."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special

from fastrun.study.verdict import e_process, sign_test, signed_rank
from fastrun.study.verdict.pairs import Pairs

MOST = 100  # a contrast that needs more than so many is too close to 1, or too noisy, to go on


def by_center(pairs: Pairs, error: float, error_same: float, small: float) -> int | None:
    """Return how many more blocks the signed-rank test needs, or None if more than `MOST`.

    The interval is taken to be Student's, with the center and the spread of the blocks that there are.

    Args:
        pairs: the blocks that there are, at least one of which has a difference.
        error: of the interval that is to leave out 0.
        error_same: of the interval that is to lie within plus and minus small.
        small: the largest log ratio that is no material difference.
    """
    distance = abs(signed_rank.center(pairs.low, pairs.high))
    exact = pairs.low[pairs.low == pairs.high]
    exact = exact[np.isfinite(exact)]
    spread = float(np.std(exact, ddof=1)) if len(exact) > 1 else 0.0
    blocks = np.arange(len(pairs.low) + 1, len(pairs.low) + MOST + 1)

    def half_width(alpha: float) -> NDArray[np.float64]:
        width = special.stdtrit(np.maximum(blocks - 1, 1), 1 - alpha / 2) * spread / np.sqrt(blocks)
        return np.where(0.5 ** (blocks - 1) <= alpha, width, math.inf)

    return first((half_width(error) < distance) | (distance + half_width(error_same) <= small))


def by_wins(pairs: Pairs, error: float) -> int | None:
    """Return how many more blocks the sign test needs, or None if more than `MOST`.

    Args:
        pairs: the blocks that there are, at least one of which is won or lost.
        error: of the claim.
    """
    counted = pairs.wins + pairs.losses
    blocks = np.arange(counted + 1, counted + MOST + 1)
    wins = np.round(blocks * pairs.wins / counted)
    return first(sign_test.p_value(wins, blocks) <= error)


def by_evidence(ways: list[tuple[int, float]], count: int) -> int | None:
    """Return how many more blocks the sequential test needs, or None if more than `MOST`.

    Args:
        ways: the ways in which it can decide: the blocks that speak for each, and the error of its claim.
        count: the blocks that there are, at least one.
    """
    blocks = np.arange(count + 1, count + MOST + 1)
    decided = np.zeros(MOST, dtype=bool)
    for wins, error in ways:
        decided |= e_process.log_evidence(np.round(blocks * wins / count), blocks) >= -math.log(error)
    return first(decided)


def first(flags: NDArray[np.bool_]) -> int | None:
    """Return the place of the first flag that is set, counted from 1, or None."""
    return int(flags.argmax()) + 1 if flags.any() else None
