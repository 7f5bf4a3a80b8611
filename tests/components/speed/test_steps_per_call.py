import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastrun.components.speed.steps_per_call import StepsPerCallTuner
from fastrun.config.settings import SpeedConfig

MOST = 512


def counts(tuner: StepsPerCallTuner, step_seconds: float, calls: int) -> list[int]:
    """The steps of call after call when each step takes as long."""
    seen = []
    for _ in range(calls):
        seen.append(tuner.count)
        tuner.update(tuner.count, tuner.count * step_seconds)
    return seen


def test_short_steps_share_calls_of_a_quarter_of_a_second():
    assert counts(StepsPerCallTuner(SpeedConfig()), 1 / 1024, 6) == [1, 4, 16, 64, 256, 256]


def test_long_steps_go_one_a_call():
    assert counts(StepsPerCallTuner(SpeedConfig()), 2.0, 3) == [1, 1, 1]


def test_calls_get_shorter_at_once_when_steps_get_longer():
    tuner = StepsPerCallTuner(SpeedConfig())
    counts(tuner, 1e-4, 8)
    tuner.update(tuner.count, 10.0 * tuner.count)
    assert tuner.count == 1


@pytest.mark.parametrize(
    ("speed", "count"),
    [
        (SpeedConfig(steps_per_call=7), 7),
        (SpeedConfig(kind="plain"), 1),
        (SpeedConfig(kind="plain", steps_per_call=3), 3),
        (SpeedConfig(steps_per_call=2000), 2000),
    ],
)
def test_a_number_from_the_config_stays(speed, count):
    assert counts(StepsPerCallTuner(speed), 1e-6, 3) == [count] * 3


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(1, MOST), st.floats(0, 1e6)), max_size=12))
def test_the_count_is_always_in_bounds_and_grows_fourfold_at_most(calls):
    tuner = StepsPerCallTuner(SpeedConfig())
    for steps, seconds in calls:
        before = tuner.count
        tuner.update(steps, seconds)
        assert 1 <= tuner.count <= min(MOST, 4 * before)
