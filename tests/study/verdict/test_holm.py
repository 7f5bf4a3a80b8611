import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastrun.study.verdict.holm import holm


def test_a_case_by_hand():
    adjusted, errors = holm([0.01, 0.04, 0.03, 0.005], 0.05)
    assert adjusted == pytest.approx([0.03, 0.06, 0.06, 0.02])  # R: p.adjust(p, "holm")
    assert errors == pytest.approx([0.05 / 3, 0.05 / 2, 0.05 / 2, 0.05 / 4])


def test_equal_claims_are_treated_alike():
    adjusted, errors = holm([0.02, 0.02, 0.5], 0.05)
    assert adjusted == pytest.approx([0.06, 0.06, 0.5])
    assert errors == pytest.approx([0.05 / 3] * 3)


def test_one_claim_and_none():
    assert holm([0.05], 0.05) == ([0.05], [0.05])
    assert holm([], 0.05) == ([], [])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_a_claim_holds_where_its_p_value_is_at_most_its_error(p_values):
    adjusted, errors = holm(p_values, 0.05)
    for p, q, error in zip(p_values, adjusted, errors, strict=True):
        assert (q <= 0.05) == (p <= error)
        assert p <= q <= min(1, len(p_values) * max(p_values))
        assert 0.05 / len(p_values) <= error <= 0.05
