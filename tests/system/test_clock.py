from contextlib import suppress
from types import SimpleNamespace

import pytest

from fastrun.system import clock as clock_module
from fastrun.system import proc
from fastrun.system.clock import PHASES, Clock, process_start


class Wall:
    """A time that goes on only when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def passes(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def wall(monkeypatch):
    wall = Wall()
    fake = SimpleNamespace(time=lambda: wall.now, perf_counter=lambda: wall.now - 700)
    monkeypatch.setattr(clock_module, "time", fake)
    return wall


def test_each_second_is_booked_to_the_phase_it_passed_in(wall):
    clock = Clock(wall.now)
    for phase, seconds in [("train", 2.0), ("validate", 3.0), ("train", 5.0), ("checkpoint", 7.0)]:
        clock.enter(phase)
        wall.passes(seconds)
    expected = dict.fromkeys(PHASES, 0.0) | {"train": 7.0, "validate": 3.0, "checkpoint": 7.0}
    assert clock.state() == pytest.approx(expected)


def test_start_up_is_counted_from_the_start_of_the_process(wall):
    clock = Clock(wall.now - 4)
    wall.passes(1)
    clock.enter("train")
    assert clock.seconds["startup"] == pytest.approx(5)
    assert clock.wall_seconds == pytest.approx(5)
    assert clock.train_seconds == 0


def test_train_seconds_pause_outside_training_and_wall_seconds_never(wall):
    clock = Clock(wall.now)
    clock.enter("train")
    wall.passes(10)
    assert (clock.train_seconds, clock.wall_seconds) == pytest.approx((10, 10))
    with clock.within("validate"):
        wall.passes(100)
        assert (clock.train_seconds, clock.wall_seconds) == pytest.approx((10, 110))
    wall.passes(1)
    assert (clock.train_seconds, clock.wall_seconds) == pytest.approx((11, 111))


def test_a_block_gives_its_phase_back_even_when_it_fails(wall):
    clock = Clock(wall.now)
    clock.enter("train")
    with suppress(RuntimeError), clock.within("checkpoint"):
        wall.passes(3)
        raise RuntimeError
    assert clock.phase == "train"
    assert clock.seconds["checkpoint"] == pytest.approx(3)


def test_waiting_for_data_moves_seconds_within_the_training_time(wall):
    clock = Clock(wall.now)
    clock.enter("train")
    wall.passes(10)
    clock.add_data_wait(4)
    assert clock.train_seconds == pytest.approx(10)
    state = clock.state()
    assert (state["train"], state["data_wait"]) == pytest.approx((6, 4))


@pytest.mark.parametrize("way", ["constructor", "carry"])
def test_both_clocks_go_on_from_earlier_attempts(wall, way):
    earlier = {"startup": 1.0, "train": 20.0, "data_wait": 2.0, "validate": 4.0}
    clock = Clock(wall.now, earlier if way == "constructor" else None)
    if way == "carry":
        clock.carry(earlier)
    clock.enter("train")
    wall.passes(3)
    assert clock.train_seconds == pytest.approx(25)
    assert clock.wall_seconds == pytest.approx(30)
    assert sum(clock.state().values()) == pytest.approx(30)


def test_reading_the_state_neither_stops_nor_changes_the_clock(wall):
    clock = Clock(wall.now)
    clock.enter("train")
    wall.passes(1)
    assert clock.state() == clock.state()
    wall.passes(1)
    assert clock.train_seconds == pytest.approx(2)


def test_the_device_is_waited_for_when_the_phase_changes_and_only_then(wall):
    clock = Clock(wall.now)
    clock.enter("train")
    clock.wait_for_device = lambda: wall.passes(5)
    clock.state()
    assert clock.seconds["train"] == 0
    clock.enter("validate")
    assert clock.seconds["train"] == pytest.approx(5)


def test_the_process_started_before_now():
    assert process_start() <= clock_module.time.time()


def test_the_process_starts_now_where_the_system_does_not_say(wall, monkeypatch):
    monkeypatch.setattr(proc, "read", lambda path: "")
    assert process_start() == wall.now
