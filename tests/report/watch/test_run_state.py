"""What is read off the files of a run that goes on."""

from __future__ import annotations

import shutil

import pytest

from fastrun.errors import StorageError
from fastrun.report.watch.pace import Pace
from fastrun.report.watch.run_state import RunState


class Now:
    """A clock that stands still until it is moved."""

    def __init__(self, at: float = 1010.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


def test_a_run_is_followed_from_its_first_line_to_its_end(fake_run) -> None:
    run, now = fake_run(target={"metric": None, "value": 0.1}), Now()
    state = RunState(run.path, now)
    state.poll()
    assert (state.status, state.progress, state.seconds_left, state.wall_seconds) == ("running", 0.0, None, 10.0)
    run.write_lines(1, 2, 3, 4, 5)
    state.poll()
    assert (state.measured.step, state.measured.best, state.measured.reached) == (5, (0.05, 5, 0.5), None)
    assert (state.total_steps, state.progress) == (50, 0.1)
    assert state.samples_per_second == pytest.approx(40)
    assert state.seconds_left == pytest.approx(4.5)  # by the pace of training
    now.at += 5
    run.write_lines(*range(6, 16))
    state.poll()
    assert state.seconds_left == pytest.approx(35 / 3)  # by that of the whole run: 15 steps in 5 s
    assert state.measured.reached == (0.1, 10, 1.0)
    assert state.measured.curves["val/acc"].ys == [0.05, 0.1, 0.15]
    assert not state.has_ended
    run.write_status("failed")
    state.poll()
    assert (state.has_ended, state.status, state.seconds_left) == (True, "failed", None)


def test_a_line_that_is_being_written_waits_for_its_end(fake_run) -> None:
    run = fake_run()
    state = RunState(run.path)
    run.write_lines(5, end="")
    state.poll()
    assert "val/acc" not in state.measured.last
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write("\nnot JSON\n")
    state.poll()
    assert state.measured.last["val/acc"] == 0.05


def test_a_run_that_goes_back_is_read_anew(fake_run) -> None:
    run = fake_run()
    state = RunState(run.path)
    run.write_lines(*range(1, 21))
    state.poll()
    run.forget_after(10)
    state.poll()
    assert (state.measured.step, state.measured.best) == (10, (0.1, 10, 1.0))
    assert state.measured.curves["val/acc"].xs == [5, 10]


def test_a_process_that_is_gone_ends_the_run(fake_run) -> None:
    run = fake_run()
    run.write_status("running", start_ticks=1)
    state = RunState(run.path)
    state.poll()
    assert (state.status, state.has_ended) == ("killed", True)


def test_a_directory_that_vanishes_is_said_to_be_removed(fake_run) -> None:
    run = fake_run()
    state = RunState(run.path)
    state.poll()
    shutil.rmtree(run.path)
    with pytest.raises(StorageError, match="was removed while it was watched"):
        state.poll()


@pytest.mark.parametrize(
    ("config", "total", "progress", "left"),
    [
        ({"steps": 20}, 20, 0.5, 1.0),
        ({"early_stopping": {"kind": "budget", "seconds": 4.0, "steps": None}}, None, 0.25, 3.0),
        ({"early_stopping": {"kind": "budget", "seconds": None, "steps": 40}}, 40, 0.25, 3.0),
    ],
)
def test_the_length_of_a_run_is_what_its_config_says(fake_run, config, total, progress, left) -> None:
    run = fake_run(**config)
    run.write_lines(*range(1, 11))
    state = RunState(run.path)
    state.poll()
    assert (state.total_steps, state.progress) == (total, progress)
    assert state.seconds_left == pytest.approx(left)


def test_the_pace_is_that_of_the_last_minute_and_begins_anew_where_the_run_goes_back() -> None:
    pace = Pace()
    assert pace.steps_per_second() is None
    for second in range(200):
        pace.add(second, 10 * second if second < 100 else 1000 + 20 * (second - 100))
    assert pace.steps_per_second() == pytest.approx(20)
    pace.add(200, 5)
    assert pace.steps_per_second() is None
