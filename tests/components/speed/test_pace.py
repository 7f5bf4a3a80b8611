"""When a run says that its steps have become slow."""

import pytest

from fastrun.components.speed.pace import Pace


def lines(pace: Pace, *calls: float) -> list[str]:
    return [line for seconds in calls if (line := pace.update(1, seconds))]


def test_steps_that_take_much_longer_are_told_once() -> None:
    said = lines(Pace(0.1, 2), *[0.1] * 5, *[0.6] * 20)
    assert len(said) == 1
    assert "steps take 6 times as long as they did" in said[0]


@pytest.mark.parametrize("calls", [[0.39] * 20, [0.6, 0.6, 0.1] * 10])
def test_hiccups_and_less_than_four_times_are_no_reason(calls: list[float]) -> None:
    assert lines(Pace(0.1, 1), *calls) == []


def test_without_a_trial_the_first_calls_are_the_pace() -> None:
    assert lines(Pace(None, 1), 5.0, *[0.1] * 10, *[0.5] * 3) != []
    assert lines(Pace(None, 1), *[0.5] * 30) == []
