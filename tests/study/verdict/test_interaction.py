"""The interaction of two heuristics, from numbers whose truth is known."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from fastrun.study.verdict.interaction import interaction
from fastrun.study.verdict.observation import Observation

ARMS = ("full", "full - f", "full - g", "full - f - g")


def blocks(truth: float, count: int = 9, noise: float = 0.08, seed: int = 0) -> list[dict[str, Observation]]:
    """Return blocks in which f is worth 1.5 and g 1.2 beside the other, and the interaction is known."""
    random = np.random.default_rng(seed)
    times = (1.0, 1.5, 1.2, 1.5 * 1.2 * truth)
    return [
        {
            name: Observation(1000 * time * math.exp(shared + noise * random.standard_normal()), 0.01)
            for name, time in zip(ARMS, times, strict=True)
        }
        for shared in random.standard_normal(count)
    ]


@pytest.mark.parametrize(("truth", "word"), [(2.0, "shared"), (0.5, "synergy"), (1.0, "undecided")])
def test_a_planted_interaction_is_told_with_its_interval(truth: float, word: str) -> None:
    found = interaction(blocks(truth), ARMS)
    assert (found.word, found.blocks) == (word, 9)
    assert found.low < truth < found.high
    assert found.low < found.ratio < found.high


def test_the_interval_holds_the_truth_in_19_of_20_studies() -> None:
    found = [interaction(blocks(1.3, seed=seed), ARMS) for seed in range(300)]
    assert sum(one.low <= 1.3 <= one.high for one in found) >= 0.93 * 300


def test_only_blocks_in_which_all_four_reached_the_target_count() -> None:
    some = blocks(2.0)
    some[0]["full - f - g"] = replace(some[0]["full - f - g"], steps=None)
    del some[1]["full - g"]
    assert interaction(some, ARMS).blocks == 7
    few = interaction(some[:4], ARMS)
    assert (few.low, few.high, few.blocks) == (None, None, 2)
    assert interaction([], ARMS).ratio is None
