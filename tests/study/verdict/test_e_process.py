import itertools
import math

import numpy as np
import pytest
from scipy import special

from fastrun.study.verdict import e_process

SIGNS = np.array(list(itertools.product([-1.0, 1.0], repeat=12)))


def test_the_evidence_is_that_of_the_formula():
    for blocks in range(1, 15):
        for wins in range(math.ceil(blocks / 2), blocks + 1):
            expected = 2**blocks / ((blocks + 1) * special.comb(blocks, wins))
            assert math.exp(e_process.log_evidence(wins, blocks)) == pytest.approx(expected)


def test_fewer_wins_than_half_are_no_evidence():
    assert e_process.log_evidence(2, 9) == e_process.log_evidence(0, 9) < 0


@pytest.mark.parametrize("alpha", [0.2, 0.05, 0.01])
def test_of_all_orders_of_wins_and_losses_at_most_alpha_is_ever_evidence(alpha):
    p_values = np.array([e_process.p_value(signs, signs) for signs in SIGNS])
    assert 0 < (p_values <= alpha).mean() <= alpha


def test_the_p_value_never_grows_with_a_block():
    for signs in SIGNS[::97]:
        p_values = [e_process.p_value(signs[:blocks], signs[:blocks]) for blocks in range(13)]
        assert p_values == sorted(p_values, reverse=True)
        assert p_values[0] == 1


def test_a_tie_counts_for_neither_side():
    wins, tie = np.ones(8), np.array([-1.0] + [1.0] * 7)
    with_tie = e_process.p_value(np.concatenate([[-1.0], wins]), np.concatenate([[1.0], wins]))
    assert e_process.p_value(wins, wins) < with_tie <= e_process.p_value(np.append(tie, 1), np.append(tie, 1))


def test_the_interval_leaves_out_what_the_test_rejects():
    random = np.random.default_rng(3)
    for _ in range(50):
        values = random.normal(0.3, 0.5, 14)
        low, high = e_process.interval(values, values, 0.05)
        for center in np.linspace(-1, 1, 41):
            assert (e_process.p_value(values - center, values - center) <= 0.05) == (not low <= center <= high)


def test_eight_wins_in_a_row_decide_and_leave_an_interval():
    values = np.arange(1.0, 9.0)
    assert e_process.interval(values[:7], values[:7], 0.05) == (-math.inf, math.inf)
    assert e_process.interval(values, values, 0.05) == (1, 8)


def test_differences_that_drift_to_the_other_side_leave_an_interval_that_spans_the_gap():
    values = np.array([1.0] * 12 + [-1.0] * 60)
    assert e_process.interval(values, values, 0.05) == (-1, 1)
