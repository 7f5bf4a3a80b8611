import math
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from fastrun.study.ladder import LOWEST, length, nearest_rung, next_rung, reaches, steps_to_target
from fastrun.study.verdict.contrast import Contrast
from fastrun.study.verdict.judge import Rule, judge

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "benchmarks"))
from planted import ladder_study

sys.path.pop(0)

BASE = 1000


def climb(metrics, target, guess, lowest=LOWEST, highest=3, higher=True):
    """Walk the ladder on planted metrics; return what was run, in order."""
    known = {}
    while (rung := next_rung(known, target, higher, guess, lowest, highest)) is not None:
        assert rung not in known
        assert lowest <= rung <= highest
        known[rung] = metrics(rung)
    return known


def accuracy(needed):
    """A metric that grows with the length of the run and reaches 0.9 at so many steps."""
    return lambda rung: 0.9 + 0.1 * math.log(length(rung, BASE) / needed)


def test_rungs_grow_by_the_square_root_of_two():
    assert [length(rung, BASE) for rung in (-6, -2, -1, 0, 1, 2)] == [125, 500, 707, 1000, 1414, 2000]
    assert length(-40, BASE) == 1


def test_a_number_of_steps_has_a_nearest_rung():
    assert [nearest_rung(length(rung, BASE), BASE) for rung in range(-6, 7)] == list(range(-6, 7))
    assert nearest_rung(3 * BASE, BASE) == 3  # 2,828 is nearer to 3,000 than 4,000


@pytest.mark.parametrize(
    ("needed", "runs"),
    [
        (900, [0, -1]),  # the guess is right: two runs
        (1100, [0, 1]),
        (600, [0, -1, -3, -2]),
        (1900, [0, 1, 3, 2]),
        (400, [0, -1, -3, -2]),
    ],
)
def test_the_ladder_is_walked_from_the_guess(needed, runs):
    assert list(climb(accuracy(needed), 0.9, guess=0)) == runs


def test_an_arm_that_misses_at_the_cap_has_no_steps():
    known = climb(accuracy(10_000), 0.9, guess=0)
    assert list(known) == [0, 1, 3]
    assert steps_to_target(known, 0.9, True, BASE) is None


def test_a_target_that_the_lowest_rung_reaches_ends_there():
    known = climb(accuracy(50), 0.9, guess=0)
    assert min(known) == LOWEST
    assert steps_to_target(known, 0.9, True, BASE) == length(LOWEST, BASE)


@pytest.mark.parametrize("guess", [-20, 20])
def test_a_guess_outside_the_ladder_begins_at_its_end(guess):
    assert next_rung({}, 0.9, True, guess, LOWEST, 3) == (LOWEST if guess < 0 else 3)


@pytest.mark.parametrize("known", [{-3: 0.5}, {3: 0.95}])
def test_rungs_known_from_elsewhere_do_not_hide_the_guess(known):
    assert next_rung(known, 0.9, True, 0, LOWEST, 4) == 0


def test_a_ladder_needs_a_rung():
    with pytest.raises(ValueError, match="above the highest"):
        next_rung({}, 0.9, True, 0, 1, 0)


def test_a_metric_that_is_lower_when_better():
    known = climb(lambda rung: 2 - rung, 1.5, guess=0, higher=False)
    assert list(known) == [0, 1]
    assert steps_to_target(known, 1.5, False, BASE) == pytest.approx(BASE * 2**0.25, rel=1e-3)


def test_a_rung_with_no_number_is_a_miss_and_lends_nothing_to_the_interpolation():
    known = climb(lambda rung: math.nan if rung < 0 else 0.95, 0.9, guess=0)
    assert list(known) == [0, -1]
    assert steps_to_target(known, 0.9, True, BASE) == BASE


def test_a_metric_on_the_target_needs_the_rung_itself():
    assert steps_to_target({0: 0.9, -1: 0.8}, 0.9, True, BASE) == pytest.approx(BASE)


@pytest.mark.slow
@pytest.mark.parametrize("noise", [0.3, 1.0, 3.0])
def test_a_ladder_with_noise_leaves_equal_arms_equal(noise):
    random = np.random.default_rng(1)
    contrast = Contrast("nothing", "without", "arm", "full")
    drawn = [ladder_study(noise, False, random)[0] for _ in range(400)]
    found = sum(judge(blocks, [contrast], Rule())[0].verdict in ("faster", "slower") for blocks in drawn)
    assert stats.binomtest(found, 400, 0.05, alternative="greater").pvalue > 1e-3


@given(needed=st.floats(150, 2700), guess=st.integers(-8, 5))
def test_steps_are_exact_where_the_metric_is_linear_in_log_steps(needed, guess):
    known = climb(accuracy(needed), 0.9, guess)
    assert steps_to_target(known, 0.9, True, BASE) == pytest.approx(needed, rel=2e-3)  # lengths are whole steps
    assert len(known) <= 6


@given(metrics=st.lists(st.floats(0, 1) | st.just(math.nan), min_size=10, max_size=10), guess=st.integers(-6, 3))
def test_noise_leaves_an_answer_with_the_rung_below_not_reaching(metrics, guess):
    known = climb(lambda rung: metrics[rung + 6], 0.5, guess)
    steps = steps_to_target(known, 0.5, True, BASE)
    answer = min((rung for rung in known if reaches(known[rung], 0.5, True)), default=None)
    if answer is None:
        assert steps is None
        assert 3 in known
    else:
        assert length(answer - 1, BASE) <= steps <= length(answer, BASE)
        assert answer == LOWEST or answer - 1 in known
