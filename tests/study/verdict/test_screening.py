"""Screening designs: what matters is among the factors that are kept, and what is claimed of them stays true."""

from __future__ import annotations

import itertools
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from fastrun.study.verdict.judge import FASTER
from fastrun.study.verdict.screening import largest, main_effects, screening_design

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "benchmarks"))
from planted import Many, false_alarm, screen, screened_study

sys.path.pop(0)

NOTHING = (1.0,) * 9


def assert_at_most(share: float, count: int, studies: int) -> None:
    """Fail if so many cases of so many studies would hardly happen by chance, were the true share no larger."""
    p = stats.binomtest(count, studies, share, alternative="greater").pvalue
    assert p > 1e-3, f"{count} of {studies}, {count / studies:.3f}"


@pytest.mark.parametrize(("factors", "runs"), [(2, 8), (9, 32), (12, 32), (15, 32), (16, 64)])
def test_no_main_effect_is_mixed_up_with_another_or_with_an_interaction_of_two(factors: int, runs: int) -> None:
    signs = screening_design(factors)
    assert signs.shape == (runs, factors + 1)
    assert (signs.T @ signs == runs * np.eye(factors + 1)).all()
    for one, other in itertools.combinations(range(factors + 1), 2):
        assert not (signs.T @ (signs[:, one] * signs[:, other])).any()
    assert (signs[: runs // 2] == -signs[runs // 2 :]).all()


@pytest.mark.parametrize(
    "truth",
    [
        pytest.param(Many((1.5, 1.3, 1.2, *NOTHING)), id="three of twelve"),
        pytest.param(Many((1.5, 1 / 1.3, 1.2, *NOTHING, 1.0, 1.0, 1.0)), id="of fifteen, one harmful"),
        pytest.param(Many((10.0, 1.2, 1.15, *NOTHING)), id="one that hides the others"),
        pytest.param(Many((10.0, 1.2, 1.0, *NOTHING), (1.0, 1.0, 1.2)), id="one in the seconds"),
        pytest.param(Many((1.5, 1.3, 1.2, *NOTHING), interaction=2.0), id="two that need each other"),
    ],
)
def test_the_factors_that_matter_are_kept_in_19_of_20_studies(truth: Many) -> None:
    random = np.random.default_rng(1)
    kept = [set(largest(screen(truth, random), 8)) for _ in range(300)]
    assert_at_most(0.05, sum(not {0, 1, 2} <= one for one in kept), len(kept))


def test_what_a_factor_is_said_to_be_worth_is_about_what_it_is_worth() -> None:
    random = np.random.default_rng(2)
    found = [screen(Many((1.5, 1.2, *NOTHING), (1.0, 1.3)), random) for _ in range(200)]
    middle = [
        (np.median([one[i].steps for one in found]), np.median([one[i].seconds for one in found])) for i in (0, 1)
    ]
    assert middle[0] == pytest.approx((1.5, 1.0), rel=0.05)
    assert middle[1] == pytest.approx((1.2, 1.3), rel=0.05)


def test_a_seed_that_two_opposite_runs_share_changes_no_effect() -> None:
    random = np.random.default_rng(3)
    found = [
        screen(Many((1.2, *NOTHING), seed_noise=noise), random)[1].size for noise in (0.0, 0.3) for _ in range(200)
    ]
    assert np.mean(found[200:]) < 1.5 * np.mean(found[:200])


def test_a_factor_without_which_runs_diverge_is_kept_and_their_seconds_are_not_needed() -> None:
    signs = screening_design(9)
    fine = signs[:, 4] > 0
    metrics = np.where(fine, np.arange(32.0), -math.inf).tolist()
    effects = main_effects(signs, metrics, [0.01 if one else None for one in fine])
    assert largest(effects, 1) == [4]
    assert effects[4].steps > 2
    assert all(math.isfinite(one.ratio) for one in main_effects(signs, [-math.inf] * 32, [None] * 32))


def test_factors_that_are_wanted_are_kept_whatever_their_effect() -> None:
    effects = screen(Many((3.0, 2.0, *NOTHING)), np.random.default_rng(4))
    assert largest(effects, 2) == [0, 1]
    assert largest(effects, 2, always=[5]) == [0, 5]
    assert largest(effects, 1, always=[5, 6]) == [5, 6]


@pytest.mark.slow
def test_at_most_one_study_in_twenty_claims_what_is_not_so_after_a_choice_by_screening() -> None:
    random, studies = np.random.default_rng(5), 400
    for truth in (Many((1.0, 1.0, 1.0, *NOTHING)), Many((1.5, 1.2, 1.0, *NOTHING))):
        alarms = sum(false_alarm(*screened_study(truth, 8, random)) for _ in range(studies))
        assert_at_most(0.05, alarms, studies)


def test_what_is_kept_is_found_by_the_study_that_follows() -> None:
    random = np.random.default_rng(6)
    for _ in range(20):
        found, confirmed = screened_study(Many((2.0, *NOTHING)), 3, random)
        words = {one.verdict for one, ratio in zip(found, confirmed.ratios, strict=True) if ratio == 2.0}
        assert words == {FASTER}
