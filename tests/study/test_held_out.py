"""Test data beside the verdicts of a study: means, and an interval of what differs within a block."""

from __future__ import annotations

import pytest

from fastrun.study.held_out import HeldOut, compare_tests


def test_the_interval_is_that_of_the_differences_within_a_block() -> None:
    arm, baseline = {0: 0.9, 1: 0.8, 2: 0.7, 3: 0.95}, {0: 0.89, 1: 0.79, 2: 0.68}
    found = compare_tests(arm, baseline)
    assert found.arm == pytest.approx(0.8375)
    assert found.baseline == pytest.approx(0.78666667)
    assert found.low == pytest.approx(-0.001009, abs=1e-5)  # of 0.01, 0.01 and 0.02
    assert found.high == pytest.approx(0.027676, abs=1e-5)


def test_two_blocks_have_no_interval_and_no_data_has_nothing() -> None:
    found = compare_tests({0: 0.9, 1: 0.8}, {0: 0.8, 1: 0.7})
    assert (found.low, found.high) == (None, None)
    assert compare_tests({}, {}) == HeldOut()
