"""The batch size that a machine wants."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from hypothesis import given
from hypothesis import strategies as st

import fastrun
from fastrun.batch_size import search
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


def test_it_takes_the_smallest_size_at_nearly_the_best_pace():
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
    found = search(machine, 1 << 20, True, machine.clock)
    assert (found.size, found.is_full, max(found.pace)) == (8, True, 512)
    assert "512 is the most that fits" in found.told()


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
    found = search(machine, most, False, machine.clock)
    assert found.size <= most
    assert found.pace[found.size] >= 0.9 * max(found.pace.values())


def test_a_run_writes_what_it_found_and_resumes_with_it(folder: Path) -> None:
    data = ["data=synthetic", "data.shape=[4]", "data.classes=2", "data.samples=600", "model=mlp", "model.hidden=[4]"]
    run = fastrun.train([*data, "batch=auto", "steps=2"], quiet=True)
    config = yaml.safe_load((run.directory / "config.yaml").read_text())["batch"]
    assert config["kind"] == "fixed"
    assert config["size"] in (8, 16)  # 450 samples, at least 16 steps an epoch
    told = run.summary["heuristics"]["batch"]
    assert told == {"requested": "auto", "used": f"size {config['size']}", "why": config["found"]}
    assert "samples/s" in told["why"]
    assert run.settings.batch.size == config["size"]
