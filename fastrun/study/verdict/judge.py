"""Verdicts on the contrasts of a study, by a rule that is set before the first scored run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fastrun.study.verdict import e_process, more_blocks, sign_test, signed_rank
from fastrun.study.verdict.contrast import SAME, Contrast
from fastrun.study.verdict.holm import holm
from fastrun.study.verdict.observation import Observation
from fastrun.study.verdict.pairs import Pairs, pair_up

FASTER, SLOWER, SAME_TIME, UNDECIDED = "faster", "slower", "no material difference", "undecided"


@dataclass(frozen=True)
class Rule:
    """How a study decides; set before the first scored run, and stored with the plan.

    Args:
        confidence: of the claims "faster" and "slower", over all contrasts of the study together.
        equivalence: a ratio within this of 1 is no material difference: from 1 / 1.02 to 1.02.
        most_misses: if a larger share of the blocks has a run that missed the target, no ratio is given, but the shares
            that reached it and the probability of being faster. It counts the blocks in which either arm missed, since
            which test is used must not depend on which of the two it was.
        sequential: the study is looked at after every block, and may stop at any of them.
        cap_steps: a run that missed took at least so many steps; None: longer than any number.
    """

    confidence: float = 0.95
    equivalence: float = 0.02
    most_misses: float = 0.2
    sequential: bool = False
    cap_steps: float | None = None

    @property
    def error(self) -> float:
        """The probability that any claim of the study is false, at most."""
        return round(1 - self.confidence, 12)

    @property
    def error_same(self) -> float:
        """The error of the interval that may show that there is no material difference: `error` on each side."""
        return 2 * self.error

    @property
    def small(self) -> float:
        """The largest log ratio that is no material difference."""
        return math.log1p(self.equivalence)


@dataclass(frozen=True)
class Verdict:
    """What a study says about one contrast. Ratios are those of `Contrast`: above 1, the heuristic makes it faster.

    Args:
        factor: as in the contrast, like the next three.
        kind: without, added, or same.
        arm: the name of the arm.
        baseline: the name of the arm beside it.
        verdict: faster, slower, no material difference, or undecided.
        ratio: of seconds to the target: exp of the pseudo-median of the log ratios. None above `Rule.most_misses`.
        low: the lower end of its interval, at the confidence at which Holm's procedure looked at this contrast: so the
            interval leaves out 1 exactly where the claim "faster" or "slower" can be made beside those of the other
            contrasts. Alone it has at least the rule's confidence. None: no lower end, for there are too few blocks or
            too many misses.
        high: the upper end, likewise.
        p: the exact p-value of "the heuristic makes no difference".
        p_adjusted: the same after Holm's procedure over the contrasts of the study, without the A/A: it keeps its own.
        steps_ratio: the median of the paired ratios of steps; None where that is a miss, or no ratio is given.
        seconds_ratio: the median of the paired ratios of seconds a step; 1 without blocks.
        reached: the share of blocks in which the arm reached the target.
        reached_baseline: the share in which its baseline did.
        probability_faster: that the side with the heuristic is faster in a block; a tie counts half.
        blocks: in how many blocks both arms ran.
        more_blocks: if undecided, about how many more would decide, if they are like those so far. They are for a new
            study, unless the rule is sequential. None: decided, or more would hardly help.
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
    (`Rule.cap_steps`), which is infinite if no cap is given. The ends of the interval take the bound that speaks
    against the claim, so an upper end may be missing. Where both missed, the block is a tie, and says nothing of the
    ratio. With more misses than `Rule.most_misses` only wins and losses are compared, by an exact sign test.

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


def has_ratio(pairs: Pairs, rule: Rule) -> bool:
    """Return whether few enough runs missed the target to speak of a ratio."""
    return len(pairs.low) > 0 and pairs.missed <= rule.most_misses


def p_value(pairs: Pairs, rule: Rule) -> float:
    """Return the p-value of "the heuristic makes no difference" by the test that the rule and the misses ask for."""
    if rule.sequential:
        return e_process.p_value(pairs.low, pairs.high)
    if has_ratio(pairs, rule):
        return signed_rank.p_value(pairs.low, pairs.high)
    return float(sign_test.p_value(pairs.wins, pairs.wins + pairs.losses))


def interval(pairs: Pairs, error: float, rule: Rule) -> tuple[float, float]:
    """Return the interval of the log ratio that belongs to the p-value; infinite if no ratio is given."""
    if not has_ratio(pairs, rule):
        return -math.inf, math.inf
    test = e_process if rule.sequential else signed_rank
    return test.interval(pairs.low, pairs.high, error)


def describe(contrast: Contrast, pairs: Pairs, p: float, adjusted: float, error: float, rule: Rule) -> Verdict:
    """Return the verdict on one contrast, from its p-value and the error that Holm's procedure leaves to it."""
    low, high = interval(pairs, error, rule)
    word = decide(pairs, (low, high), adjusted, rule)
    rated = has_ratio(pairs, rule)
    return Verdict(
        factor=contrast.factor,
        kind=contrast.kind,
        arm=contrast.arm,
        baseline=contrast.baseline,
        verdict=word,
        ratio=finite(math.exp(signed_rank.center(pairs.low, pairs.high))) if rated else None,
        low=finite(math.exp(low)),
        high=finite(math.exp(high)),
        p=p,
        p_adjusted=adjusted,
        steps_ratio=finite(float(np.median(pairs.steps))) if rated else None,
        seconds_ratio=float(np.median(pairs.seconds)) if pairs.blocks else 1.0,
        reached=pairs.reached,
        reached_baseline=pairs.reached_baseline,
        probability_faster=pairs.probability_faster,
        blocks=pairs.blocks,
        more_blocks=still_needed(pairs, error, rule) if word == UNDECIDED else None,
    )


def decide(pairs: Pairs, ends: tuple[float, float], adjusted: float, rule: Rule) -> str:
    """Return the word of a verdict, given the ends of the interval of the log ratio and the adjusted p-value."""
    if not has_ratio(pairs, rule):
        if adjusted > rule.error:
            return UNDECIDED
        return FASTER if pairs.wins > pairs.losses else SLOWER
    low, high = interval(pairs, rule.error_same, rule)
    if -rule.small <= low and high <= rule.small:
        return SAME_TIME
    low, high = ends
    return FASTER if low > 0 else SLOWER if high < 0 else UNDECIDED


def ways(pairs: Pairs, error: float, rule: Rule) -> list[tuple[int, float]]:
    """Return the ways in which a sequential test can decide: how many blocks speak for each, and its error."""
    found = [(pairs.wins, error), (pairs.losses, error)]
    if has_ratio(pairs, rule):
        inside = min((pairs.low >= -rule.small).sum(), (pairs.high <= rule.small).sum())
        found.append((int(inside), rule.error_same))
    return found


def still_needed(pairs: Pairs, error: float, rule: Rule) -> int | None:
    """Return about how many more blocks would decide, or None if more would hardly help."""
    if not pairs.blocks:
        return least_blocks(1, 1 - error, rule.sequential)
    if rule.sequential and len(pairs.low):
        return more_blocks.by_evidence(ways(pairs, error, rule), len(pairs.low))
    if has_ratio(pairs, rule):
        return more_blocks.by_center(pairs, error, rule.error_same, rule.small)
    return more_blocks.by_wins(pairs, error) if pairs.wins + pairs.losses else None


def finite(value: float) -> float | None:
    """Return a ratio, or None for one that is infinite or 0."""
    return value if 0 < value < math.inf else None
