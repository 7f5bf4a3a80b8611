"""Intervals of numbers as axes of a sweep: which numbers are drawn from them, and which bounds are refused."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastrun.compose.search.grid import grid, sample
from fastrun.compose.search.space import Interval
from fastrun.errors import ConfigError


@given(st.floats(1e-6, 1e3), st.floats(1e-3, 1e3), st.booleans(), st.integers(0, 99))
def test_numbers_drawn_from_an_interval_lie_in_it(low: float, width: float, log: bool, seed: int) -> None:
    interval = Interval("lr", low, low + width, log)
    values = [float(point["lr"].removeprefix("lr=")) for point in sample([interval], 20, seed)]
    assert len(set(values)) == 20
    assert all(low <= value <= low + width for value in values)


@given(st.integers(1, 5), st.integers(1, 20), st.booleans(), st.integers(1, 30))
def test_whole_numbers_run_out(low: int, width: int, log: bool, count: int) -> None:
    points = sample([Interval("n", low, low + width, log)], count, 0)
    values = [int(point["n"].removeprefix("n=")) for point in points]
    assert len(set(values)) == len(values) == min(count, width + 1)
    assert set(values) <= set(range(low, low + width + 1))


def test_a_logarithmic_interval_is_drawn_as_often_in_each_decade() -> None:
    values = [float(p["lr"][3:]) for p in sample([Interval("lr", 1e-4, 1.0, log=True)], 400, 0)]
    decades = [sum(10.0**e <= value < 10.0 ** (e + 1) for value in values) for e in range(-4, 0)]
    assert all(70 <= count <= 130 for count in decades), decades


@pytest.mark.parametrize(
    ("low", "high", "log", "message"),
    [(1.0, 0.0, False, "no numbers"), (0.0, 1.0, True, "no logarithm"), (0.0, math.inf, False, "no numbers")],
)
def test_bounds_with_nothing_between_them_are_refused(low: float, high: float, log: bool, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Interval("lr", low, high, log)


def test_real_numbers_make_no_grid() -> None:
    with pytest.raises(ConfigError, match="no end of values") as refused:
        grid([Interval("lr", 0.0, 1.0)])
    assert "sweep.random" in str(refused.value.hint)
