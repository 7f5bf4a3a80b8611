"""Which contrasts of a study still need blocks, where it is looked at after every block."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from fastrun.study.verdict import e_process
from fastrun.study.verdict.contrast import SAME, Contrast
from fastrun.study.verdict.judge import UNDECIDED, judge
from fastrun.study.verdict.more_blocks import ways
from fastrun.study.verdict.observation import Observation
from fastrun.study.verdict.pairs import Pairs, pair_up
from fastrun.study.verdict.rule import Rule

DECIDED, FUTILE, OPEN = "decided", "futile", "open"
HARDLY = 0.05  # a contrast that is decided in the end with a lower probability is not worth its runs


def progress(
    blocks: Sequence[Mapping[str, Observation]],
    contrasts: Sequence[Contrast],
    rule: Rule,
    planned: int | None = None,
) -> dict[Contrast, str]:
    """Say for each contrast whether it is decided, futile or open after these blocks.

    Blocks are judged as under ``Rule(sequential=True)``, whatever the rule says, since looking is what this is for. A
    contrast that is futile may be dropped: that adds no false claims, since it can only lose claims.

    Args:
        blocks: what each arm took, by its name, a block each, in the order in which they ran.
        contrasts: all that the study compares.
        rule: how it decides.
        planned: how many blocks the study may have. Without it, nothing is futile.

    Returns:
        For each contrast: "decided" if its verdict is, "futile" if it will be within the planned blocks with a
        probability of less than 5 %, given those so far, else "open". An A/A is open while any other is.
    """
    rule = replace(rule, sequential=True)
    words = {}
    error = rule.error / max(1, sum(contrast.kind != SAME for contrast in contrasts))
    for contrast, verdict in zip(contrasts, judge(blocks, contrasts, rule), strict=True):
        pairs = pair_up(blocks, contrast, rule.cap_steps)
        remaining = None if planned is None else max(0, planned - len(blocks))
        if verdict.verdict != UNDECIDED:
            words[contrast] = DECIDED
        elif remaining is not None and chance(pairs, error, rule, remaining) < HARDLY:
            words[contrast] = FUTILE
        else:
            words[contrast] = OPEN
    others = [word for contrast, word in words.items() if contrast.kind != SAME]
    for contrast in words:
        if contrast.kind == SAME and others:
            words[contrast] = OPEN if OPEN in others else DECIDED
    return words


def chance(pairs: Pairs, error: float, rule: Rule, remaining: int) -> float:
    """Return the probability that a contrast is decided by its last block, by the likeliest of the ways.

    How often a block speaks for a claim is unknown: before the first block every chance from 0 to 1 is taken to be
    equally likely, so the number of the remaining blocks that do has a beta-binomial distribution.
    """
    from scipy import stats  # takes a second to import, and only this needs it

    count = len(pairs.low)
    further = np.arange(remaining + 1)
    best = 0.0
    for wins, claim in ways(pairs, error, rule):
        decided = e_process.log_evidence(wins + further, count + remaining) >= -math.log(claim)
        probability = stats.betabinom.pmf(further, remaining, wins + 1, count - wins + 1)
        best = max(best, float(probability[decided].sum()))
    return best
