"""The A/A of a study: whether the full run is told apart from itself, which is not the question which is faster."""

from __future__ import annotations

from dataclasses import replace

from fastrun.study.verdict.contrast import SAME
from fastrun.study.verdict.judge import FASTER, SLOWER, Verdict

TOLD_APART, NOT_TOLD_APART = "told apart", "not told apart"


def as_check(verdict: Verdict) -> Verdict:
    """Return the verdict on the A/A in words of its own, and any other verdict as it is.

    An A/A whose interval holds 1 is as it must be, however wide it is, so no further blocks are asked for.
    """
    if verdict.kind != SAME:
        return verdict
    word = TOLD_APART if verdict.verdict in (FASTER, SLOWER, TOLD_APART) else NOT_TOLD_APART
    return replace(verdict, verdict=word, more_blocks=None)
