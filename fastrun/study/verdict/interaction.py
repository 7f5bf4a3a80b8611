"""The interaction of two heuristics: whether they buy together what each of them buys beside the other, multiplied."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastrun.study.verdict import signed_rank
from fastrun.study.verdict.observation import Observation
from fastrun.study.verdict.pairs import vector

SHARED, SYNERGY, OPEN = "shared", "synergy", "undecided"
_ERROR = 0.05  # of an interval by itself


@dataclass(frozen=True)
class Interaction:
    """What a 2 x 2 of two heuristics says.

    Attributes:
        ratio: the time without both, times the time with both, through the two times without one of them: 1 without an
            interaction; None without a block in which all four arms reached the target.
        low: the lower end of its 95 % interval, by itself; None where there is none.
        high: the upper end.
        blocks: in how many blocks all four arms reached the target.
        word: ``shared`` above 1: each does part of the other's work; ``synergy`` below 1: each needs the other;
            ``undecided`` where the interval holds 1, or the ratio is not worth a word.
    """

    ratio: float | None
    low: float | None
    high: float | None
    blocks: int
    word: str


def interaction(blocks: Sequence[Mapping[str, Observation]], arms: Sequence[str], small: float = 0.0) -> Interaction:
    """Return the interaction of two heuristics.

    Args:
        blocks: what each arm took, by its name, a block each.
        arms: the names of four: with both, without the first, without the second, without both.
        small: the largest log ratio that is not worth a word.
    """
    found = [times for block in blocks if (times := _logs(block, arms)) is not None]
    if not found:
        return Interaction(None, None, None, 0, OPEN)
    values = vector(neither - second - first + both for both, first, second, neither in found)
    low, high = signed_rank.interval(values, values, _ERROR)
    center = signed_rank.center(values, values)
    return Interaction(
        math.exp(center),
        math.exp(low) if math.isfinite(low) else None,
        math.exp(high) if math.isfinite(high) else None,
        len(found),
        SHARED if low > 0 and center > small else SYNERGY if high < 0 and center < -small else OPEN,
    )


def _logs(block: Mapping[str, Observation], arms: Sequence[str]) -> list[float] | None:
    """Return the log of the time of each arm in a block; None where one of them is absent, or missed the target."""
    ran = [block[name] for name in arms if name in block]
    times = [math.log(one.steps * one.seconds) for one in ran if one.steps is not None]
    return times if len(times) == len(arms) else None
