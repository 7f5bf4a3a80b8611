"""The batch size that suits a machine."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from fastrun.components.batch.size_search import search, within_free_memory
from fastrun.errors import ConfigError


class Machine:
    """Takes ``fixed + each * size`` seconds a step on a clock of its own, and has room for ``room`` samples."""

    def __init__(self, fixed: float, each: float, room: int = 1 << 30, error: type[Exception] = MemoryError) -> None:
        self.fixed, self.each, self.room, self.error = fixed, each, room, error
        self.now = 0.0
        self.tried: list[int] = []

    def __call__(self, size: int) -> None:
        self.tried.append(size)
        if size > self.room:
            raise self.error
        self.now += self.fixed + self.each * size

    def clock(self) -> float:
        return self.now


def test_it_takes_the_smallest_size_with_nearly_the_highest_throughput():
    machine = Machine(fixed=0.01, each=0.0001)  # the fixed part is a tenth of all from 900 samples on
    assert search(machine, 1 << 20, False, machine.clock).size == 1024


def test_it_stops_where_doubling_brings_nothing_or_at_the_most_it_may_try():
    machine = Machine(fixed=0.0, each=0.001)
    assert search(machine, 1 << 20, False, machine.clock).size == 8
    assert max(machine.tried) == 32
    machine = Machine(fixed=1.0, each=0.0)
    assert search(machine, 100, False, machine.clock).size == 64


@pytest.mark.parametrize("error", [MemoryError, torch.OutOfMemoryError])
def test_it_finds_the_most_that_fits_where_the_device_says_when_it_is_full(error):
    machine = Machine(fixed=0.0, each=0.0001, room=1000, error=error)
    result = search(machine, 1 << 20, True, machine.clock)
    assert (result.size, result.is_full, max(result.throughput)) == (8, True, 512)
    assert "512 is the most that fits" in result.describe()


def test_nothing_that_fits_is_an_error_with_a_hint():
    machine = Machine(0.0, 1.0, room=4)
    with pytest.raises(ConfigError, match="not even 8 samples fit") as error:
        search(machine, 64, True, machine.clock)
    assert error.value.hint


def test_it_does_not_wait_for_steps_of_many_seconds():
    machine = Machine(fixed=0.0, each=1.0)
    assert search(machine, 1 << 20, True, machine.clock).size == 8
    assert max(machine.tried) == 8


@given(st.floats(1e-4, 1), st.floats(1e-6, 1e-3), st.integers(1, 5000))
def test_what_it_takes_was_tried_and_is_within_a_tenth_of_the_best(fixed, each, most):
    machine = Machine(fixed, each)
    result = search(machine, most, False, machine.clock)
    assert result.size <= most
    assert result.throughput[result.size] >= 0.9 * max(result.throughput.values())


def test_a_size_that_may_take_most_of_the_free_memory_is_refused():
    peak = 0  # bytes that the process has held at most, of 1000

    def trial(size: int) -> None:
        nonlocal peak
        peak = max(peak, 10 * size)

    limited = within_free_memory(trial, free=lambda: 1000 - peak, peak=lambda: peak)
    for size in (8, 16, 32, 64):
        limited(size)
    with pytest.raises(MemoryError):  # the last size took 320 bytes more, and four times that is not free
        limited(128)
    assert peak < 1000
