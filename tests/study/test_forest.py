"""The forest plot of a study in a terminal."""

from __future__ import annotations

import io
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from fastrun.report.page.timing import Timing
from fastrun.study import forest
from fastrun.study.conclusion import Conclusion, Row
from fastrun.study.held_out import HeldOut
from fastrun.study.plan import Plan
from fastrun.study.verdict.judge import Verdict

ONE = Verdict(
    factor="norm", kind="without", arm="full - norm", baseline="full", verdict="faster", ratio=1.9, low=1.6, high=2.2,
    p=0.004, p_adjusted=0.008, steps_ratio=2.1, seconds_ratio=0.9, reached=1.0, reached_baseline=1.0,
    probability_faster=1.0, blocks=9, more_blocks=None,
)  # fmt: skip
MISSED = replace(
    ONE, factor="clip", kind="added", arm="plain + clip", baseline="plain", ratio=None, low=None, high=None,
    reached=1.0, reached_baseline=0.25, steps_ratio=None,
)  # fmt: skip
OPEN = replace(ONE, factor="ema", verdict="undecided", ratio=1.1, low=None, high=30.0, more_blocks=7)
SAME = replace(ONE, factor="", kind="same", arm="full again", verdict="not told apart", ratio=1.0, low=0.9, high=1.1)


def plan() -> Plan:
    return Plan(
        arms={}, pins={}, rates={}, contrasts=[], same={}, same_steps={}, dropped={},
        target={"metric": "val/acc", "value": 0.9, "source": "given", "text": "given"}, base_steps=100, rungs=[-6, 3],
        cap_steps=283, guesses={}, seeds=[], again_seeds=[], pilot_seeds=[], pace_steps=100, freeze="",
        rule={"confidence": 0.95}, tuned=False, recipe=None, overrides=[], machine={}, created=0.0,
    )  # fmt: skip


def drawn(*verdicts: Verdict, width: int = 120, pairs: list[dict] | None = None, **parts: Any) -> str:
    rows = [Row(one, HeldOut(0.91, 0.92), "test/acc") for one in verdicts]
    file = io.StringIO()
    console = Console(file=file, width=width, force_terminal=True, color_system=None, highlight=False)
    planned = replace(plan(), **parts)
    failed, timing = {"full - ema": "boom"}, Timing(0.7, 0.4)
    forest.show(Conclusion(Path("study"), planned, rows, 9, failed, "", timing, None, pairs or []), console)
    return file.getvalue()


def test_a_ratio_is_drawn_with_its_interval_and_its_parts() -> None:
    text = drawn(SAME, ONE)
    (line,) = [line for line in text.splitlines() if line.startswith("  norm")]
    assert "●" in line
    assert "1.90 (1.60 to 2.20)  faster" in line
    assert line.split()[-5:] == ["2.10", "0.9", "0.9100", "/", "0.9200"]
    assert "dropped in, not retuned; 95% over all comparisons" in text
    assert "full - ema could not be trained: boom" in text
    assert "The machine was busy while steps were timed: they got 70 % of the CPU time" in text
    assert "Keep norm (without it, training takes 1.90 times as long" in text


def test_what_was_screened_out_is_no_verdict_and_a_pair_is_told_with_its_interval() -> None:
    effects = {"clip": {"ratio": 1.04, "steps": 1.0, "seconds": 1.04}}
    pair = {"factor": "norm and init", "verdict": "synergy"}
    pair |= {"interaction": 0.7, "interaction_low": 0.6, "interaction_high": 0.8}
    text = drawn(ONE, screening={"screened_out": ["clip"], "effects": effects}, pairs=[pair], width=80)
    words = " ".join(text.split())
    assert "screened out, not tested: effect about clip 1.04" in words
    assert (
        "explored, no verdict: norm and init: synergy, each needs the other; without both, training takes 0.70" in words
    )
    assert max(map(len, text.splitlines())) <= 80


def test_without_a_ratio_the_shares_that_reached_the_target_stand_there_that_without_it_first() -> None:
    (line,) = [line for line in drawn(MISSED).splitlines() if line.startswith("  clip")]
    assert "reached 25% / 100%" in line
    assert "0.9200 / 0.9100" in line


def test_an_open_end_is_an_arrow_and_the_blocks_that_would_decide_are_named_below() -> None:
    (line,) = [line for line in drawn(OPEN).splitlines() if line.startswith("  ema")]
    assert "◂" in line
    assert "▸" in line
    assert "1.10 (0 to 30.00)  undecided  " in line
    assert (
        "Undecided: ema (a new study would decide it with even odds with 16 blocks, in about 80 % of cases with 32)"
        in " ".join(drawn(OPEN).split())
    )


def test_a_full_run_that_is_told_from_itself_is_said_to_be() -> None:
    assert "cannot be trusted" in drawn(replace(SAME, verdict="told apart", ratio=1.3, low=1.2, high=1.4), ONE)


def test_what_the_blocks_can_show_and_a_noisy_target_are_said() -> None:
    text = " ".join(drawn(SAME, ONE, OPEN).split())
    assert "With 9 blocks the smallest possible p is 0.0039, or 0.0078 adjusted for 2 comparisons, which can" in text
    assert "varies" not in text
    noisy = plan().target | {"noise": "val/acc varies by 0.1 from run to run"}
    assert "val/acc varies by 0.1 from run to run" in drawn(SAME, ONE, target=noisy)


@pytest.mark.parametrize("width", [40, 60, 80, 100, 120])
def test_a_narrow_terminal_gets_whole_lines(width: int) -> None:
    small = replace(ONE, factor="optimizer.lr=0.01", verdict="no material difference")
    text = drawn(SAME, ONE, OPEN, MISSED, small, width=width)
    for line in text.splitlines():
        assert len(line) <= width
        assert "…" not in line
    if width >= 80:
        for words in ("1.90 (1.60 to 2.20)", "1.10 (0 to 30.00)", "reached 25% / 100%", "no material difference"):
            assert words in text
        assert "seconds" in text


def test_a_bar_is_on_a_logarithmic_scale() -> None:
    even = replace(ONE, ratio=1.0, low=0.5, high=2.0)
    assert forest.bar(even, math.log(2), 11) == "├────●────┤"
