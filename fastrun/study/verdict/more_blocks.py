"""About how many more blocks would decide a contrast, if they were like those that there are."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy import special

from fastrun.study.verdict import e_process, sign_test, signed_rank
from fastrun.study.verdict.evidence import has_ratio
from fastrun.study.verdict.pairs import Pairs
from fastrun.study.verdict.rule import Rule

_WEAK = 0.3  # a p-value above: chance alone gives as much so often that it does not tell how many more it takes
MOST = 100  # a contrast that needs more than so many is too close to 1, or too noisy, to go on


def least_blocks(contrasts: int, confidence: float = 0.95, sequential: bool = False) -> int:
    """Return how many blocks a study needs before it can decide anything: six for one contrast, nine for eight.

    Args:
        contrasts: how many share the error, the A/A not counted.
        confidence: of all claims together.
        sequential: whether the study is looked at after every block, which takes more.
    """
    error = round(1 - confidence, 12) / max(1, contrasts)
    blocks = 1
    while (e_process.least_wins(blocks, error) is None) if sequential else (0.5 ** (blocks - 1) > error):
        blocks += 1
    return blocks


def more_blocks(pairs: Pairs, error: float, rule: Rule) -> int | None:
    """Return about how many more blocks would decide, or None if that cannot be told, or more would hardly help.

    Args:
        pairs: the blocks that there are.
        error: what Holm's procedure leaves to this contrast.
        rule: how the study decides.
    """
    if not pairs.blocks:
        return least_blocks(1, 1 - error, rule.sequential)
    counted = pairs.wins + pairs.losses
    has_leader = counted > 0 and tells(float(sign_test.p_value(pairs.wins, counted)), counted)
    if rule.sequential and len(pairs.low):
        known = ways(pairs, error, rule)
        return by_evidence(known if has_leader else known[2:], len(pairs.low))
    if has_ratio(pairs, rule):
        return by_center(pairs, error, rule.error_same, rule.small)
    return by_wins(pairs, error) if has_leader else None


def tells(p: float, blocks: int) -> bool:
    """Say whether blocks tell how many more it takes to find a difference.

    Args:
        p: of the blocks.
        blocks: how many there are. Where none of them contradicts another one, they tell, however few they are.
    """
    return p <= max(_WEAK, 0.5 ** (blocks - 1) * (1 + 1e-9))


def ways(pairs: Pairs, error: float, rule: Rule) -> list[tuple[int, float]]:
    """Return the ways in which a sequential test can decide: how many blocks speak for each, and its error."""
    found = [(pairs.wins, error), (pairs.losses, error)]
    if has_ratio(pairs, rule):
        inside = min((pairs.low >= -rule.small).sum(), (pairs.high <= rule.small).sum())
        found.append((int(inside), rule.error_same))
    return found


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
    exact = pairs.low[pairs.exact]
    spread = float(np.std(exact, ddof=1)) if len(exact) > 1 else 0.0
    blocks = np.arange(len(pairs.low) + 1, len(pairs.low) + MOST + 1)

    def half_width(alpha: float) -> NDArray[np.float64]:
        width = special.stdtrit(np.maximum(blocks - 1, 1), 1 - alpha / 2) * spread / np.sqrt(blocks)
        return np.where(0.5 ** (blocks - 1) <= alpha, width, math.inf)

    differs = (half_width(error) < distance) & tells(signed_rank.p_value(pairs.low, pairs.high), len(pairs.low))
    return first(differs | (distance + half_width(error_same) <= small))


def by_wins(pairs: Pairs, error: float) -> int | None:
    """Return how many more blocks the sign test needs, or None if more than `MOST`.

    Args:
        pairs: the blocks that there are, at least one of which is won or lost.
        error: of the claim.
    """
    counted = pairs.wins + pairs.losses
    blocks = np.arange(counted + 1, counted + MOST + 1)
    return first(sign_test.p_value(blocks * max(pairs.wins, pairs.losses) // counted, blocks) <= error)


def by_evidence(ways: list[tuple[int, float]], count: int) -> int | None:
    """Return how many more blocks the sequential test needs, or None if more than `MOST`.

    Args:
        ways: the ways in which it can decide: the blocks that speak for each, and the error of its claim.
        count: the blocks that there are, at least one.
    """
    blocks = np.arange(count + 1, count + MOST + 1)
    decided = np.zeros(MOST, dtype=bool)
    for wins, error in ways:
        decided |= e_process.log_evidence(blocks * wins // count, blocks) >= -math.log(error)
    return first(decided)


def first(flags: NDArray[np.bool_]) -> int | None:
    """Return the place of the first flag that is set, counted from 1, or None."""
    return int(flags.argmax()) + 1 if flags.any() else None
