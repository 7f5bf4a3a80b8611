import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrun.pace import Pace
from fastrun.settings import Speed

MOST = 512


def counts(pace: Pace, step_seconds: float, calls: int) -> list[int]:
    """The steps of call after call when each step takes as long."""
    seen = []
    for _ in range(calls):
        seen.append(pace.count)
        pace.took(pace.count, pace.count * step_seconds)
    return seen


def test_short_steps_share_calls_of_a_quarter_of_a_second():
    assert counts(Pace(Speed()), 1 / 1024, 6) == [1, 4, 16, 64, 256, 256]


def test_long_steps_go_one_a_call():
    assert counts(Pace(Speed()), 2.0, 3) == [1, 1, 1]


def test_calls_get_shorter_at_once_when_steps_get_longer():
    pace = Pace(Speed())
    counts(pace, 1e-4, 8)
    pace.took(pace.count, 10.0 * pace.count)
    assert pace.count == 1


@pytest.mark.parametrize(
    ("speed", "count"),
    [
        (Speed(steps_per_call=7), 7),
        (Speed(kind="plain"), 1),
        (Speed(kind="plain", steps_per_call=3), 3),
        (Speed(steps_per_call=2000), 2000),
    ],
)
def test_a_number_that_was_asked_for_stays(speed, count):
    assert counts(Pace(speed), 1e-6, 3) == [count] * 3


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, MOST), st.floats(0, 1e6)), max_size=12))
def test_the_count_is_always_in_bounds_and_grows_fourfold_at_most(calls):
    pace = Pace(Speed())
    for steps, seconds in calls:
        before = pace.count
        pace.took(steps, seconds)
        assert 1 <= pace.count <= min(MOST, 4 * before)
