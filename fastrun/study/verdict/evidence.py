"""Which test and which interval speak on a contrast: that depends on the rule and on the misses."""

from __future__ import annotations

from fastrun.study.verdict import e_process, sign_test, signed_rank
from fastrun.study.verdict.pairs import Pairs
from fastrun.study.verdict.rule import Rule


def has_ratio(pairs: Pairs, rule: Rule) -> bool:
    """Return whether few enough runs missed the target to speak of a ratio."""
    return len(pairs.low) > 0 and pairs.missed <= rule.most_misses


def p_value(pairs: Pairs, rule: Rule) -> float:
    """Return the p-value of "the heuristic makes no difference", where a miss is a loss."""
    if rule.sequential:
        return e_process.p_value(pairs.low, pairs.high)
    if has_ratio(pairs, rule):
        return signed_rank.p_value(pairs.low, pairs.high)
    return float(sign_test.p_value(pairs.wins, pairs.wins + pairs.losses))


def interval(pairs: Pairs, error: float, rule: Rule) -> tuple[float, float]:
    """Return the interval of the log ratio; where no run missed, it leaves out 0 exactly where the test rejects.

    A run that missed may be one that would have come late, or one that failed and never would. In the first case its
    difference is large, and to leave it out would make the ratio too small; in the second it has none, and to
    count it would make the ratio of those that get there too large. It is not known which: so this is the interval that
    spans both, with misses as losses and without them. A miss opens the interval on the side of the loss, and never
    narrows it on the other.

    Args:
        pairs: the blocks.
        error: both sides together.
        rule: which test it belongs to.
    """
    test = e_process.interval if rule.sequential else signed_rank.interval
    low, high = test(pairs.low, pairs.high, error)
    if pairs.missed:
        others = test(pairs.low[pairs.exact], pairs.high[pairs.exact], error)
        low, high = min(low, others[0]), max(high, others[1])
    return low, high


def ratio_interval(pairs: Pairs, adjusted: float, error: float, rule: Rule) -> tuple[float, float] | None:
    """Return the interval of the log ratio, or None where no ratio is to be given.

    That is so with too many misses; and where fewer of them, as losses, decide what the blocks without them leave open.
    So an interval that is given leaves out 0 exactly where the adjusted p-value claims a difference.

    Args:
        pairs: the blocks.
        adjusted: the p-value after Holm's procedure.
        error: what that procedure leaves to this contrast.
        rule: how the study decides.
    """
    if not has_ratio(pairs, rule):
        return None
    low, high = interval(pairs, error, rule)
    return None if pairs.missed and adjusted <= rule.error and low <= 0 <= high else (low, high)
