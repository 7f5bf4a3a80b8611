"""Verdicts on the contrasts of a study, by a rule that is set before the first scored run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fastrun.study.verdict import signed_rank
from fastrun.study.verdict.contrast import SAME, Contrast
from fastrun.study.verdict.evidence import interval, p_value, ratio_interval
from fastrun.study.verdict.holm import holm
from fastrun.study.verdict.more_blocks import least_blocks as least_blocks
from fastrun.study.verdict.more_blocks import more_blocks
from fastrun.study.verdict.observation import Observation
from fastrun.study.verdict.pairs import Pairs, pair_up
from fastrun.study.verdict.rule import Rule as Rule

FASTER, SLOWER, SAME_TIME, UNDECIDED = "faster", "slower", "no material difference", "undecided"


@dataclass(frozen=True)
class Verdict:
    """What a study says about one contrast. Ratios are those of `Contrast`: above 1, the heuristic makes it faster.

    Args:
        factor: as in the contrast, like the next three.
        kind: without, added, or same.
        arm: the name of the arm.
        baseline: the name of the arm beside it.
        verdict: faster, slower, no material difference, or undecided.
        ratio: of seconds to the target: exp of the pseudo-median of the log ratios, a miss being an infinite one. None
            above `Rule.most_misses`; and where misses, as losses, decide what the other blocks leave open.
        low: the lower end of its interval, at the confidence at which Holm's procedure looked at this contrast: so the
            interval leaves out 1 exactly where the claim "faster" or "slower" can be made beside those of the other
            contrasts. Alone it has at least the rule's confidence. None: no lower end, for there are too few blocks or
            too many misses, or no ratio.
        high: the upper end, likewise.
        p: the exact p-value of "the heuristic makes no difference".
        p_adjusted: the same after Holm's procedure over the contrasts of the study, without the A/A: it keeps its own.
        steps_ratio: the median of the paired ratios of steps; None where that is a miss, or no ratio is given.
        seconds_ratio: the median of the paired ratios of seconds a step; 1 without blocks.
        reached: the share of blocks in which the arm reached the target.
        reached_baseline: the share in which its baseline did.
        probability_faster: that the side with the heuristic is faster in a block; a tie counts half.
        blocks: in how many blocks both arms ran.
        more_blocks: if undecided, about how many more would decide with even odds, if the ratio is what it is so far.
            They are for a new study. None: decided, or more would hardly help, or chance alone gives blocks like these
            so often (p above 0.3) that they do not tell.
    """

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


def judge(blocks: Sequence[Mapping[str, Observation]], contrasts: Sequence[Contrast], rule: Rule) -> list[Verdict]:
    """Return a verdict for each contrast, in their order.

    How misses enter: where one of two runs missed the target, it lost, by a difference of at least what the cap allows
    (`Rule.cap_steps`), which is infinite if no cap is given. It counts in the tests, which are exact with misses too:
    if the heuristic makes no difference, either of the two is as likely to be the one that missed. The interval spans
    the one with misses as losses and the one without those blocks: a miss opens it on one side, so an end may be
    missing, and narrows it on none. Where both missed, the block is a tie, and says nothing of the ratio. With more
    misses than `Rule.most_misses` only wins and losses are compared, by an exact sign test.

    A difference that is shown to be within `Rule.equivalence` is "no material difference", even if it is shown not to
    be 0. That claim is made of each contrast by itself, at its own 90 % interval.

    Args:
        blocks: what each arm took, by its name, a block each, in the order in which they ran. An arm may be absent from
            a block: what was dropped on the way is judged by the blocks that it has.
        contrasts: all that the study compares, since they share the error.
        rule: how it decides.
    """
    pairs = [pair_up(blocks, contrast, rule.cap_steps) for contrast in contrasts]
    p_values = [p_value(one, rule) for one in pairs]
    adjusted, errors = list(p_values), [rule.error] * len(pairs)
    claims = [index for index, contrast in enumerate(contrasts) if contrast.kind != SAME]
    for index, *holms in zip(claims, *holm([p_values[index] for index in claims], rule.error), strict=True):
        adjusted[index], errors[index] = holms
    return [describe(*every, rule) for every in zip(contrasts, pairs, p_values, adjusted, errors, strict=True)]


def describe(contrast: Contrast, pairs: Pairs, p: float, adjusted: float, error: float, rule: Rule) -> Verdict:
    """Return the verdict on one contrast, from its p-value and the error that Holm's procedure leaves to it."""
    ends = ratio_interval(pairs, adjusted, error, rule)
    word = decide(pairs, ends, adjusted, rule)
    low, high = ends or (-math.inf, math.inf)
    return Verdict(
        factor=contrast.factor,
        kind=contrast.kind,
        arm=contrast.arm,
        baseline=contrast.baseline,
        verdict=word,
        ratio=finite(math.exp(signed_rank.center(pairs.low, pairs.high))) if ends else None,
        low=finite(math.exp(low)),
        high=finite(math.exp(high)),
        p=p,
        p_adjusted=adjusted,
        steps_ratio=finite(float(np.median(pairs.steps))) if ends else None,
        seconds_ratio=float(np.median(pairs.seconds)) if pairs.blocks else 1.0,
        reached=pairs.reached,
        reached_baseline=pairs.reached_baseline,
        probability_faster=pairs.probability_faster,
        blocks=pairs.blocks,
        more_blocks=more_blocks(pairs, error, rule) if word == UNDECIDED else None,
    )


def decide(pairs: Pairs, ends: tuple[float, float] | None, adjusted: float, rule: Rule) -> str:
    """Return the word of a verdict, given the interval of the log ratio, if there is one, and the adjusted p-value."""
    if ends is None:
        if adjusted > rule.error:
            return UNDECIDED
        return FASTER if pairs.wins > pairs.losses else SLOWER
    low, high = interval(pairs, rule.error_same, rule)
    if -rule.small <= low and high <= rule.small:
        return SAME_TIME
    low, high = ends
    return FASTER if low > 0 else SLOWER if high < 0 else UNDECIDED


def finite(value: float) -> float | None:
    """Return a ratio, or None for one that is infinite or 0."""
    return value if 0 < value < math.inf else None
