"""Verdicts on the contrasts of a study, by a rule that is set before the first scored run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastrun.study.verdict.contrast import Contrast
from fastrun.study.verdict.observation import Observation

FASTER, SLOWER, SAME_TIME, UNDECIDED = "faster", "slower", "no material difference", "undecided"


@dataclass(frozen=True)
class Rule:
    """How a study decides; set before the first scored run, and stored with the plan.

    Args:
        confidence: of the claims "faster" and "slower", over all contrasts of the study together.
        equivalence: the 90 % interval within this of 1 is no material difference.
        most_misses: if a larger share of the blocks has a run that missed the target, no ratio is given, but the shares
            that reached it and the probability of being faster.
        sequential: the study is looked at after every block, and may stop at any of them.
        cap_steps: a run that missed took at least so many steps; None: longer than any number.
    """

    confidence: float = 0.95
    equivalence: float = 0.02
    most_misses: float = 0.2
    sequential: bool = False
    cap_steps: float | None = None


@dataclass(frozen=True)
class Verdict:
    """What a study says about one contrast."""

    factor: str
    kind: str
    arm: str
    baseline: str
    verdict: str
    ratio: float | None
    low: float | None
    high: float | None
    p: float
    p_adjusted: float
    steps_ratio: float | None
    seconds_ratio: float
    reached: float
    reached_baseline: float
    probability_faster: float
    blocks: int
    more_blocks: int | None


def judge(
    blocks: Sequence[Mapping[str, Observation]], contrasts: Sequence[Contrast], rule: Rule | None = None
) -> list[Verdict]:
    """Return a verdict for each contrast."""
    raise NotImplementedError


def least_blocks(contrasts: int, confidence: float = 0.95, sequential: bool = False) -> int:
    """Return how many blocks a study needs at least before it can decide anything."""
    raise NotImplementedError
