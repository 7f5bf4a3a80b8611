"""Successive halving by simulation: the planted best one is found, and what is confirmed afterwards is unbiased."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastrun.study.race.halving import Score, affordable, halve, is_over, later_walks, next_round, rank
from fastrun.study.verdict.contrast import Contrast
from fastrun.study.verdict.judge import Rule, judge
from fastrun.study.verdict.observation import Observation


def race(times: np.ndarray, kept=None) -> tuple[int, int]:
    """Return the winner among candidates, given the log seconds of each (row) on each seed, and the walks it took."""
    walked = set()

    def is_known(field, seeds):
        walked.update((name, seed) for name in field for seed in range(seeds))
        return True

    def score(name, seeds):
        own = times[int(name), :seeds]
        reached = own[np.isfinite(own)]
        return Score(int(seeds - len(reached)), float(reached.mean()) if len(reached) else math.inf)

    found = halve([str(number) for number in range(len(times))], is_known, score, kept)
    assert found.winner is not None
    return int(found.winner), len(walked)


def test_the_planted_best_is_found_in_nearly_every_race():
    random = np.random.default_rng(0)
    found = 0
    for _ in range(200):
        truth = random.normal(0.3, 0.3, 24)
        truth[17] = truth.min() - math.log(1.5)
        luck = random.normal(0, 0.1, 8)  # of a seed, which all candidates share
        winner, _ = race(truth[:, None] + luck + random.normal(0, 0.15, (24, 8)))
        found += winner == 17
    assert found >= 190


@pytest.mark.parametrize("count", [2, 3, 4, 7, 24, 33])
def test_a_race_takes_as_many_walks_as_it_says(count):
    times = np.random.default_rng(1).normal(size=(count, 8))
    assert race(times)[1] == count + later_walks(count, 1)


def test_a_candidate_that_misses_loses_to_every_one_that_does_not():
    assert rank({"miss": Score(1, 0.0), "slow": Score(0, 5.0), "fast": Score(0, 1.0)}) == ["fast", "slow", "miss"]
    never = {"far": Score(2, math.inf, 0.5), "near": Score(2, math.inf, 0.1), "failed": Score(2, math.inf, math.inf)}
    assert rank(never) == ["near", "far", "failed"]


def test_equal_candidates_keep_their_order_so_that_the_given_run_stays_ahead():
    assert rank({"full": Score(0, 1.0), "other": Score(0, 1.0)}) == ["full", "other"]


def test_rounds_halve_the_field_and_double_the_seeds_until_few_have_enough():
    rounds = [(24, 1)]
    while not is_over(*rounds[-1]):
        rounds.append(next_round(*rounds[-1]))
    assert rounds == [(24, 1), (12, 2), (6, 4), (3, 8)]


def test_time_that_is_short_lets_fewer_go_on_and_none_where_there_is_none():
    whole = 12 + later_walks(12, 2)
    assert affordable(24, 1, 1.0, whole) == 12
    assert 2 <= affordable(24, 1, 1.0, whole / 2) < 12
    assert affordable(24, 1, 1.0, 1.0) == 0
    assert race(np.zeros((5, 8)), lambda field, seeds: 0) == (0, 5)


def test_the_winner_of_equal_candidates_looks_better_than_it_is_and_what_is_confirmed_does_not():
    """The figure that won is biased, which is why it is shown nowhere; that of fresh seeds is not."""
    random = np.random.default_rng(2)
    contrast, rule = Contrast("raced", "added", "raced", "full"), Rule()
    selected, confirmed, claims = [], [], 0
    for _ in range(300):
        times = random.normal(0, 0.2, (24, 8))
        winner, _ = race(times)
        selected.append(times[0].mean() - times[winner].mean())
        fresh = np.exp(random.normal(0, 0.2, (6, 2)))
        blocks = [{"full": Observation(full, 1.0), "raced": Observation(raced, 1.0)} for full, raced in fresh]
        (verdict,) = judge(blocks, [contrast], rule)
        assert verdict.ratio is not None
        confirmed.append(math.log(verdict.ratio))
        claims += verdict.verdict == "faster"
    error = np.std(confirmed) / math.sqrt(len(confirmed))
    assert abs(np.mean(confirmed)) < 3 * error
    assert np.mean(selected) > 0.1
    assert claims <= 0.05 * 300
