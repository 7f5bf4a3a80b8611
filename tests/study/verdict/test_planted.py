"""Studies whose truth is known, by the thousand: how often verdicts are false, and intervals hold the truth."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from fastrun.study.verdict.judge import Rule

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "benchmarks"))
from planted import Truth, false_alarm, holds, looked_at, verdicts

sys.path.pop(0)

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"
MORE = 10 if "FASTRUN_FULL" in os.environ else 1
LOOKED_AT = Rule(sequential=True)


def assert_at_most(share: float, count: int, studies: int) -> None:
    """Fail if so many cases of so many studies would hardly happen by chance, were the true share no larger."""
    p = stats.binomtest(count, studies, share, alternative="greater").pvalue
    assert p > 1e-3, f"{count} of {studies}, {count / studies:.3f}"


NOTHING = [
    pytest.param(Truth((1.0,) * 8), id="8 arms"),
    pytest.param(Truth((1.0,), blocks=6), id="1 arm, 6 blocks"),
    pytest.param(Truth((1.0,) * 12, blocks=12), id="12 arms"),
    pytest.param(Truth((2.0, 1.2, 1.0, 1.0)), id="2 of 4 arms differ"),
    pytest.param(Truth((1.0,) * 4, blocks=10, failures=0.1), id="a fifth of blocks miss"),
    pytest.param(Truth((1.0,) * 4, blocks=12, failures=0.2), id="20 % misses"),
    pytest.param(Truth((1.0,) * 4, blocks=12, failures=0.5), id="50 % misses"),
    pytest.param(Truth((1.0,) * 4, blocks=10, cap=1.1, rule=Rule(cap_steps=1100)), id="late runs miss"),
    pytest.param(Truth((1.0,) * 4, grid=100), id="ties"),
    pytest.param(Truth((1.0,) * 4, grid=100, seconds_noise=0.0), id="exact ties"),
    pytest.param(Truth((1.0,) * 4, drift=3.0), id="drift"),
    pytest.param(Truth((1.0,) * 4, tails=2.0), id="heavy tails"),
    pytest.param(Truth((1.0,) * 4, blocks=15, failures=0.05, rule=LOOKED_AT), id="sequential rule"),
]


@pytest.mark.slow
@pytest.mark.parametrize("truth", NOTHING)
def test_at_most_one_study_in_twenty_claims_what_is_not_so(truth):
    studies = MORE * 3000 // (len(truth.ratios) + 2)
    assert_at_most(0.05, sum(false_alarm(found, truth) for found in verdicts(truth, studies, seed=1)), studies)


def test_at_most_one_study_in_twenty_claims_what_is_not_so_quickly():
    truth = Truth((1.0, 1.0, 1.2, 1.0), blocks=9, failures=0.02)
    assert_at_most(0.05, sum(false_alarm(found, truth) for found in verdicts(truth, 200, seed=2)), 200)


@pytest.mark.slow
@pytest.mark.parametrize("failures", [0.0, 0.2, 0.5])
def test_a_study_that_is_looked_at_after_every_block_claims_no_more(failures):
    truth = Truth((1.0,) * 3, blocks=20, failures=failures, rule=LOOKED_AT)
    random = np.random.default_rng(4)
    studies = MORE * 60
    assert_at_most(0.05, sum(false_alarm(looked_at(truth, random)[0], truth) for _ in range(studies)), studies)


INTERVALS = [
    *(pytest.param(Truth((ratio,)), id=f"{ratio}") for ratio in (1.0, 1.05, 1.2, 2.0)),
    pytest.param(Truth((1.2,), blocks=6), id="6 blocks"),
    pytest.param(Truth((1.2,), blocks=20), id="20 blocks"),
    pytest.param(Truth((1.2,), blocks=20, rule=LOOKED_AT), id="sequential rule"),
    pytest.param(Truth((1.2,), drift=3.0, in_steps=0.0), id="drift, in seconds"),
    pytest.param(Truth((1.2,), tails=3.0), id="heavy tails"),
    pytest.param(Truth((2.0,), grid=50), id="ties"),
    pytest.param(Truth((1.2,), blocks=10, failures=0.1, failing=True), id="arms fail"),
    pytest.param(Truth((1.2,), blocks=20, failures=0.2, failing=True), id="20 % of the arm fail"),
    pytest.param(Truth((1.2,), blocks=15, failures=0.05), id="both fail"),
    pytest.param(Truth((1.2,), blocks=15, cap=1.4, rule=Rule(cap_steps=1400)), id="late runs miss"),
    pytest.param(Truth((1.2,), blocks=15, cap=1.4), id="late runs miss, cap unknown"),
]


@pytest.mark.slow
@pytest.mark.parametrize("truth", INTERVALS)
def test_intervals_hold_the_truth_in_at_least_19_of_20_studies(truth):
    rated = [one for (one,) in verdicts(truth, MORE * 1000, seed=5) if one.ratio is not None]
    assert len(rated) > MORE * 300
    assert_at_most(0.05, sum(not holds(one, truth.ratios[0]) for one in rated), len(rated))


def test_intervals_hold_the_truth_quickly():
    missed = sum(not holds(one, 1.2) for (one,) in verdicts(Truth((1.2,)), 300, seed=6))
    assert_at_most(0.05, missed, 300)


@pytest.mark.slow
@pytest.mark.parametrize("sequential", [False, True])
def test_a_ratio_on_the_edge_is_called_no_material_difference_in_at_most_one_of_20(sequential):
    rule = Rule(sequential=sequential)
    truth = Truth((1.02,), blocks=20, steps_noise=0.0, seconds_noise=0.005, in_steps=0.0, rule=rule)
    words = [one.verdict for (one,) in verdicts(truth, MORE * 1000, seed=7)]
    assert_at_most(0.05, words.count("no material difference"), len(words))


def test_a_heuristic_that_changes_nothing_is_found_to_change_nothing():
    truth = Truth((1.0,), steps_noise=0.0, seconds_noise=0.005)
    words = [one.verdict for (one,) in verdicts(truth, 50, seed=8)]
    assert words.count("no material difference") > 40


def test_a_heuristic_worth_a_fifth_is_found_with_nine_blocks():
    words = [one.verdict for (one,) in verdicts(Truth((1.2,)), 200, seed=9)]
    assert words.count("faster") > 170


def test_a_step_that_takes_five_percent_longer_is_found():
    """The steps are the same, as with a callback that sleeps: only the seconds differ."""
    truth = Truth((1.05,), steps_noise=0.0, seconds_noise=0.01, in_steps=0.0)
    assert all(one.verdict == "faster" for (one,) in verdicts(truth, 50, seed=10))


def test_a_heuristic_without_which_no_run_gets_there_is_found():
    truth = Truth((1.0,), failures=1.0, failing=True)
    for (one,) in verdicts(truth, 5, seed=11):
        assert (one.verdict, one.ratio, one.reached, one.reached_baseline) == ("faster", None, 0, 1)


def test_a_study_that_is_looked_at_stops_early_where_the_difference_is_large():
    random = np.random.default_rng(12)
    truth = Truth((2.0, 1.3), blocks=20, rule=LOOKED_AT)
    for _ in range(3):
        found, blocks = looked_at(truth, random)
        assert [one.verdict for one in found] == ["faster", "faster"]
        assert blocks < 20


@pytest.mark.slow
def test_the_benchmark_prints_a_row_for_each_case():
    command = [sys.executable, str(BENCHMARKS / "verdicts.py"), "--studies", "10"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert done.stdout.count(" % |") >= 30
    assert "judging 12 contrasts" in done.stdout
