"""What stands between a run and its tracker."""

from __future__ import annotations

from pathlib import Path

import pytest
from pytorch_lightning.loggers.logger import DummyLogger, Logger

import fastrun
from fastrun.components.logger.hyperparameters import hyperparameters
from fastrun.components.logger.tracker import Tracker, summary_numbers
from fastrun.config.settings import Settings
from fastrun.storage.run_dir import RunDir
from fastrun.training.builders.logger import start_tracker

OWN = """
from pytorch_lightning.loggers.logger import Logger

kept = []

class Own(Logger):
    name, version = "own", 0
    def __init__(self, folder, step, breaks_at=None):
        super().__init__()
        self.breaks_at = breaks_at
        kept.append(("started", folder.name, step))
    def log_hyperparams(self, params):
        kept.append(("config", params["model"]))
    def log_metrics(self, metrics, step=None):
        if step == self.breaks_at:
            raise ValueError("you tried to log 1.0") from OSError("the disk\\nis full")
        kept.append((step, dict(metrics)))
    def finalize(self, status):
        kept.append(("ended", status))
"""
QUICK = ["model=mlp", "model.hidden=[8]", "steps=4", "val_every=2", "amp=off", "logger._target_=own_logger.Own"]


@pytest.fixture
def own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[tuple[object, ...]]:
    """What a user's own logger was told."""
    import importlib
    import sys

    (folder / "own_logger.py").write_text(OWN)
    monkeypatch.delitem(sys.modules, "own_logger", raising=False)
    return importlib.import_module("own_logger").kept


def test_a_users_own_logger_is_told_everything_in_order(folder: Path, own) -> None:
    run = fastrun.train(QUICK, quiet=True)
    assert own[:2] == [("started", run.directory.name, 0), ("config", "mlp")]
    assert [one[0] for one in own[2:]] == [1, 2, 2, 3, 4, 4, 4, "ended"]
    assert own[-2][1] == summary_numbers(run.summary)
    assert own[-1] == ("ended", "success")


def test_a_tracker_that_fails_is_left_alone_and_the_run_goes_on(folder: Path, own, capfd) -> None:
    run = fastrun.train([*QUICK, "+logger.breaks_at=3"])
    assert run.summary["steps"] == 4
    assert [one[0] for one in own[2:]] == [1, 2, 2]
    told = [line for line in capfd.readouterr().out.splitlines() if "failed" in line]
    assert told == ["logger=Own failed; the run goes on without it: the disk is full"]


def test_a_run_that_fails_ends_its_tracker(folder: Path, own) -> None:
    with pytest.raises(fastrun.errors.Diverged):
        fastrun.train([*QUICK, "optimizer=sgd", "optimizer.lr=1e30"], quiet=True)
    assert own[-1] == ("ended", "failed")


def test_callbacks_of_lightning_log_at_the_steps_of_the_run(folder: Path, own) -> None:
    monitor = "+callbacks.rate._target_=pytorch_lightning.callbacks.LearningRateMonitor"
    run = fastrun.train([*QUICK, monitor, "speed.steps_per_call=2"], quiet=True)
    told = [one for one in own if isinstance(one[1], dict)]
    rates = {step: values["lr-AdamW/pg1"] for step, values in told if "lr-AdamW/pg1" in values}
    lines = {step: values["lr"] for step, values in told if "lr" in values}
    assert set(rates) == {0, 2}
    assert rates[2] == lines[2]
    assert run.summary["steps"] == 4


class Recorder(Logger):
    """Counts what it is asked."""

    name, version = "recorder", 0

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    def log_metrics(self, metrics, step=None) -> None:
        self.asked.append("metrics")

    def log_hyperparams(self, params) -> None:
        raise RuntimeError

    def finalize(self, status: str) -> None:
        self.asked.append(status)


def test_after_a_failure_nothing_is_asked_any_more(caplog) -> None:
    inner = Recorder()
    tracker = Tracker(inner, "mine", lambda: 7)
    tracker.append([{"step": 1, "lr": 0.1}])
    tracker.log_hyperparams({})
    tracker.append([{"step": 2, "lr": 0.1}])
    tracker.finalize("failed")
    assert inner.asked == ["metrics"]


def test_the_other_processes_of_a_run_track_nothing(tmp_path: Path) -> None:
    settings = Settings(logger={"_target_": "fastrun.components.logger.tensorboard.TensorBoard"})
    found = start_tracker(settings, RunDir(tmp_path), None, False, lambda: 0)
    assert isinstance(found, DummyLogger)
    found.append([{"step": 1}])
    assert not list(tmp_path.iterdir())


def test_without_a_tracker_there_is_none(tmp_path: Path) -> None:
    assert start_tracker(Settings(logger={"_target_": None}), RunDir(tmp_path), None, True, lambda: 0) is None


def test_hyperparameters_are_choices_and_plain_values_without_secrets() -> None:
    settings = Settings(
        data={"_target_": "mine.data", "api_key": "hush", "hub_token": "hush", "max_tokens": 3, "shape": [1, 2]},
        callbacks={"notify": {"_target_": "mine.Notify", "password": "hush"}},
        logger={"tracking_uri": "http://user:hush@server"},
        choices={"model": "mlp", "recipe": None},
    )
    found = hyperparameters(settings)
    assert "hush" not in str(found)
    assert found["model"] == "mlp"
    assert found["data.max_tokens"] == 3
    assert found["data.shape"] == "[1, 2]"
    assert found["callbacks.notify._target_"] == "mine.Notify"
    assert found["batch.size"] == 128
    assert "steps" not in found  # it is not set
    assert "recipe" not in found


def test_figures_are_the_numbers_of_a_summary() -> None:
    summary = {
        "best": None,
        "target": {"metric": "val/acc", "value": 0.9, "reached": True, "steps": None},
        "clock": {"train": 1.5},
        "throughput": {"samples_per_second": 10},
        "seed": 3,
    }
    assert summary_numbers(summary) == {
        "summary/target/value": 0.9,
        "summary/target/reached": 1.0,
        "summary/clock/train": 1.5,
        "summary/throughput/samples_per_second": 10.0,
    }
