import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fastrun.study.verdict import signed_rank


def draw(count, seed):
    return np.random.default_rng(seed).normal(0.1, 0.2, count)


@pytest.mark.parametrize("count", [1, 2, 6, 9, 14, 30])
def test_the_p_value_is_that_of_scipy(count):
    for seed in range(10):
        values = draw(count, seed)
        assert signed_rank.p_value(values, values) == pytest.approx(stats.wilcoxon(values, method="exact").pvalue)


@pytest.mark.parametrize("count", [3, 7, 10])
def test_the_p_value_is_that_of_all_flips_of_the_signs(count):
    values = draw(count, 5)
    ranks = stats.rankdata(abs(values))
    flips = np.array(list(itertools.product([-1, 1], repeat=count))) @ ranks
    seen = abs(np.sign(values) @ ranks)
    assert signed_rank.p_value(values, values) == pytest.approx((abs(flips) >= seen).mean())


def test_no_differences_reject_nothing():
    empty = np.empty(0)
    assert signed_rank.p_value(empty, empty) == 1
    assert signed_rank.interval(empty, empty, 0.05) == (-math.inf, math.inf)


@given(
    st.lists(st.integers(-5, 5) | st.sampled_from([math.inf, -math.inf]), min_size=1, max_size=12),
    st.sampled_from([0.3, 0.1, 0.05, 0.05 / 8]),
)
def test_the_interval_leaves_out_what_the_test_rejects_with_ties_and_misses_too(values, alpha):
    values = np.array(values, dtype=float)
    low, high = signed_rank.interval(values, values, alpha)
    for center in np.arange(-6, 6.25, 0.25):
        rejected = signed_rank.p_value(values - center, values - center) <= alpha
        assert rejected == (not low <= center <= high)


@settings(max_examples=30)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=8))
def test_ties_never_make_the_p_value_too_small(values):
    """It is no smaller than with any way of breaking the ties."""
    values = np.array(values, dtype=float)
    broken = values + 1e-6 * np.random.default_rng(0).standard_normal((20, len(values)))
    tied = signed_rank.p_value(values, values)
    sides = [2 * signed_rank.distribution(len(values))[-1 - (signed_rank.walsh(one) > 0).sum()] for one in broken]
    others = [2 * signed_rank.distribution(len(values))[-1 - (signed_rank.walsh(one) < 0).sum()] for one in broken]
    greater = (signed_rank.walsh(values) > 0).sum() >= (signed_rank.walsh(values) < 0).sum()
    assert tied >= min(1, min(sides if greater else others)) - 1e-12


def test_the_center_is_the_median_of_the_means_of_pairs():
    values = np.array([1.0, 2.0, 6.0])  # 1, 1.5, 2, 3.5, 4, 6
    assert signed_rank.center(values, values) == 2.75


def test_the_center_bears_a_miss_and_opposite_misses():
    values = np.array([1.0, 2.0, 3.0, 4.0, math.inf])
    assert 2.5 < signed_rank.center(values, values) < 4
    assert signed_rank.center(np.array([-math.inf, 1.0, 1.0]), np.array([1.0, 1.0, math.inf])) == pytest.approx(1)


def test_many_blocks_are_quick_and_near_the_normal_law():
    values = draw(200, 1)
    assert signed_rank.p_value(values, values) == pytest.approx(
        stats.wilcoxon(values, method="approx").pvalue, rel=0.2, abs=1e-9
    )
