"""Runs with a budget: of time, on a clock that the test turns, and of steps."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastrun
from fastrun.cli.main import main
from fastrun.components.early_stopping.budget import Budget
from fastrun.storage.run_dir import RunDir
from fastrun.system.clock import Clock

TINY = ["data=synthetic", "data.shape=[4]", "data.classes=2", "data.samples=64", "model=mlp", "model.hidden=[4]"]


@given(st.lists(st.tuples(st.integers(1, 50), st.floats(1e-3, 0.5)), min_size=1, max_size=40), st.integers(2, 1000))
def test_the_schedule_advances_with_the_time_and_is_never_past_its_end(calls, steps):
    budget, step, spent = Budget(10.0, steps), 0, 0.0
    schedule_steps = []
    for count, seconds in calls:
        budget.begin(step, spent)
        schedule_steps += [budget.schedule_step(step + ahead) for ahead in range(count)]
        step, spent = step + count, spent + seconds * count
        end = budget.end(step, spent)
        assert (end == step) == (spent >= 10)
    assert all(0 <= one < steps for one in schedule_steps)


def test_steps_that_take_as_long_as_foreseen_spend_the_whole_schedule():
    budget, step, schedule_steps = Budget(10.0, 1000), 0, []
    while not step or budget.end(step, step * 0.1) > step:
        budget.begin(step, step * 0.1)
        schedule_steps += [budget.schedule_step(step + ahead) for ahead in range(4)]
        step += 4
    assert step == 100
    assert schedule_steps[8:] == pytest.approx([position * 10 for position in range(8, 100)], abs=1)


class TurnedClock(Clock):
    """A clock on which each step takes an eighth of a second."""

    def enter(self, phase: str) -> None:
        self.phase = phase

    def add_data_wait(self, seconds: float) -> None:
        self.seconds["train"] += 0.125

    @property
    def train_seconds(self) -> float:
        return self.seconds["train"]


def test_seconds_end_a_run_with_its_schedule_decayed_validated_and_saved(folder: Path, lines, monkeypatch) -> None:
    monkeypatch.setattr("fastrun.run.runner.Clock", TurnedClock)
    budget = ["early_stopping=budget", "early_stopping.seconds=7.5", "schedule=cosine", "schedule.warmup=0"]
    run = fastrun.train([*TINY, *budget, "batch.size=16", "speed.steps_per_call=1"], quiet=True)
    summary = run.summary
    assert summary["stopped"] == "7.5 seconds of training are over"
    assert summary["clock"]["train"] == 7.5
    written = lines(run.directory)
    assert "val/acc" in written[-1]
    assert written[-1]["step"] == summary["steps"]
    rates = [line["lr"] for line in written if "lr" in line]
    assert rates[0] > 2e-3
    assert rates[-1] < 0.1 * rates[0]
    assert (run.directory / "checkpoints" / f"step-{summary['steps']:08d}.ckpt").is_file()


def test_steps_are_a_budget_too_and_the_schedule_is_fitted_to_them(folder: Path, lines) -> None:
    run = fastrun.train([*TINY, "early_stopping=budget", "early_stopping.steps=7", "schedule=cosine"], quiet=True)
    assert run.summary["steps"] == 7
    assert lines(run.directory)[-2]["lr"] < 2e-4


FAULT = """
from pathlib import Path
import pytorch_lightning as pl

class Fault(pl.Callback):
    def on_train_batch_end(self, trainer, module, *_):
        if module.state.step >= 30 and not Path("failed").exists():
            Path("failed").touch()
            raise RuntimeError("a fault")
"""


def test_a_run_goes_on_with_the_rest_of_its_seconds(folder: Path, lines, monkeypatch) -> None:
    """Its epochs, which the budget replaces, are over by the time that it is broken off."""
    monkeypatch.setattr("fastrun.run.runner.Clock", TurnedClock)
    (folder / "fault.py").write_text(FAULT)
    chosen = [*TINY, "early_stopping=budget", "schedule=cosine", "batch.size=16", "epochs=2", "checkpoint.every=10",
              "speed.steps_per_call=1"]  # fmt: skip
    with pytest.raises(RuntimeError, match="a fault"):
        fastrun.train(
            [*chosen, "name=failed", "early_stopping.seconds=7.5", "+callbacks.fault._target_=fault.Fault"], quiet=True
        )
    (run,) = folder.glob("outputs/failed/*")
    assert main(["resume", str(run)]) == 0
    assert RunDir(run).read("summary.json")["stopped"] == "7.5 seconds of training are over"
    whole = fastrun.train([*chosen, "early_stopping.seconds=7.5"], quiet=True).directory
    assert lines(run) == lines(whole)
    assert lines(run)[-1]["step"] == 60
    assert main(["resume", str(whole), "early_stopping.seconds=10"]) == 0
    assert lines(whole)[-1]["step"] == 80


@pytest.mark.parametrize("on_extend", ["continue", "rewarm"])
def test_a_budget_that_is_made_longer_says_so_or_warms_up(
    folder: Path, lines, monkeypatch, capfd, on_extend: str
) -> None:
    monkeypatch.setattr("fastrun.run.runner.Clock", TurnedClock)
    chosen = ["early_stopping=budget", "early_stopping.seconds=5", "schedule=linear", "batch.size=16", "epochs=1"]
    run = fastrun.train([*TINY, *chosen, "speed.steps_per_call=1"], quiet=True).directory
    assert main(["resume", str(run), "early_stopping.seconds=10", f"schedule.on_extend={on_extend}"]) == 0
    out = capfd.readouterr().out
    rates = [line["lr"] for line in lines(run) if "lr" in line]
    assert len(rates) == 80
    assert f"the learning rate goes from {rates[39]:.3g} at step 40" in out
    assert ("extended" in RunDir(run).config()["schedule"]) == (on_extend == "rewarm")
    assert ("along a line, over 5% of what is left" in out) == (on_extend == "rewarm")
