"""The A/A has a word of its own, and asks for no further blocks."""

from __future__ import annotations

import pytest

from fastrun.study.verdict.check import as_check
from fastrun.study.verdict.contrast import Contrast
from fastrun.study.verdict.judge import Verdict, judge
from fastrun.study.verdict.observation import Observation
from fastrun.study.verdict.rule import Rule

AGAIN = Contrast("", "same", "full again", "full")
NORM = Contrast("norm", "without", "full again", "full")


def verdict_on(contrast: Contrast, ratios: list[float]) -> Verdict:
    blocks = [{"full": Observation(1000, 0.01), "full again": Observation(1000 * ratio, 0.01)} for ratio in ratios]
    (found,) = judge(blocks, [contrast], Rule())
    return found


@pytest.mark.parametrize(
    ("ratios", "word"),
    [
        ([0.8, 1.3, 1.1, 1.4, 0.95, 1.5], "not told apart"),
        ([1.001, 0.999, 1.002, 1.0, 0.998, 1.001, 0.999], "not told apart"),
        ([1.3, 1.31, 1.29, 1.32, 1.28, 1.33, 1.27], "told apart"),
    ],
)
def test_the_full_run_is_told_apart_from_itself_or_not(ratios: list[float], word: str) -> None:
    verdict = as_check(verdict_on(AGAIN, ratios))
    assert (verdict.verdict, verdict.more_blocks) == (word, None)
    assert as_check(verdict) == verdict


def test_any_other_verdict_stays_as_it_is() -> None:
    verdict = verdict_on(NORM, [0.8, 1.3, 1.1, 1.4, 1.2, 1.5])
    assert as_check(verdict) is verdict
