"""A test on wins and losses that may be looked at after every block, and the interval that belongs to it.

With equal arms the evidence e = 2^n / ((n + 1) C(n, k)), for k wins in n blocks, is a martingale that begins at 1: the
odds of a coin with unknown chances against a fair one. So the probability that it ever gets to 1/alpha is at most
alpha, however often it is looked at (Ville's inequality), and the study may stop at any block.

Source: Ramdas, Grünwald, Vovk and Shafer, "Game-theoretic statistics and safe anytime-valid inference", 2023.
"""

from __future__ import annotations

import math

import numpy as np
from scipy import special

from fastrun.study.verdict.pairs import Counts, Vector


def log_evidence(wins: Counts | int, blocks: Counts | int) -> Vector:
    """Return log e that wins are likelier than losses; no more than that of an even result if fewer than half are won.

    Args:
        wins: how many blocks are won; ties are no wins.
        blocks: how many there are, ties included: so a tie counts for neither side.
    """
    most = np.maximum(wins, np.asarray(blocks) / 2)
    log_beta: Vector = special.betaln(most + 1, blocks - most + 1)
    return blocks * math.log(2) + log_beta


def p_value(low: Vector, high: Vector) -> float:
    """Return the p-value of "a win is as likely as a loss", two-sided, the least after any of the blocks so far.

    Args:
        low: what each difference is at least, shape (n,), in the order of the blocks.
        high: what it is at most, shape (n,).
    """
    if len(low) == 0:
        return 1.0
    blocks = np.arange(1, len(low) + 1)
    wins, losses = np.cumsum(low > 0, dtype=np.int64), np.cumsum(high < 0, dtype=np.int64)
    most = max(log_evidence(wins, blocks).max(), log_evidence(losses, blocks).max())
    return math.exp(-max(0.0, most))


def interval(low: Vector, high: Vector, alpha: float) -> tuple[float, float]:
    """Return the interval of the median difference, at confidence 1 - alpha after every block at once.

    It is what the intervals after each of the blocks so far have in common, so it leaves out 0 exactly where `p_value`
    is at most alpha; unless those have nothing in common, since the differences drift. Then it spans the gap.

    Args:
        low: what each difference is at least, shape (n,), in the order of the blocks.
        high: what it is at most, shape (n,).
        alpha: the error, both sides together.

    Returns:
        The ends; infinite where the differences are too few.
    """
    left, right = -math.inf, math.inf
    for blocks in range(1, len(low) + 1):
        wins = least_wins(blocks, alpha)
        if wins is not None:
            left = max(left, float(np.sort(low[:blocks])[blocks - wins]))
            right = min(right, float(np.sort(high[:blocks])[wins - 1]))
    return min(left, right), max(left, right)


def least_wins(blocks: int, alpha: float) -> int | None:
    """Return how many of the blocks must be won for the evidence to be at 1/alpha; None if all would not do."""
    wins = np.arange(blocks // 2 + 1, blocks + 1)
    enough = wins[log_evidence(wins, blocks) >= -math.log(alpha)]
    return int(enough[0]) if len(enough) else None
