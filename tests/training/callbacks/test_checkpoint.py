"""When checkpoints are saved, and which of them stay."""

from __future__ import annotations

import json
from functools import partial
from itertools import count
from pathlib import Path

import pytest
import pytorch_lightning as pl

import fastrun
from fastrun.components.checkpoint.timer import SaveTimer
from fastrun.errors import ConfigError, StorageError
from fastrun.storage.run_dir import RunDir

QUICK = ["model=mlp", "model.hidden=[8]", "amp=off", "steps=10", "val_every=100%", "speed.steps_per_call=1"]


def kept(run: Path) -> list[int]:
    return sorted(int(path.stem.removeprefix("step-")) for path in run.glob("checkpoints/*.ckpt"))


@pytest.fixture
def minute_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that advances by a minute whenever it is read: once for each call of steps, and once for each save."""
    ticks = count()
    timer = partial(SaveTimer, clock=lambda: 60.0 * next(ticks))
    monkeypatch.setattr("fastrun.training.builders.callbacks.SaveTimer", timer)


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["checkpoint=every", "checkpoint.every=3min"], [3, 6, 9, 10]),
        (["checkpoint=every", "checkpoint.every=2.5min"], [3, 6, 9, 10]),
        (["checkpoint=every"], [10]),  # ten minutes
        (["checkpoint=every", "checkpoint.every=2min", "checkpoint.keep=2"], [8, 10]),
        (["checkpoint.every=3min"], [9, 10]),
        (["checkpoint=every", "checkpoint.every=2min", "speed.steps_per_call=3"], [6, 10]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value[0], str) else "",
)
@pytest.mark.usefixtures("minute_clock")
def test_minutes_count_from_the_last_save_and_at_the_ends_of_calls(folder: Path, overrides, expected) -> None:
    assert kept(fastrun.train([*QUICK, *overrides], quiet=True).directory) == expected


@pytest.mark.usefixtures("minute_clock")
def test_a_save_that_is_due_with_a_validation_comes_after_it(folder: Path) -> None:
    run = fastrun.train([*QUICK, "val_every=3", "checkpoint=every", "checkpoint.every=3min"], quiet=True).directory
    assert "val/acc" in json.loads((run / "checkpoints/step-00000003.json").read_text())["metrics"]


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["checkpoint=every", "checkpoint.every=3"], [3, 6, 9, 10]),
        (["checkpoint=every", "checkpoint.every=50%"], [5, 10]),
        (["checkpoint.every=3", "checkpoint.keep=0"], [3, 6, 9, 10]),
        (["checkpoint.every=3", "checkpoint.keep=null"], [3, 6, 9, 10]),
        (["checkpoint=every", "checkpoint.every=3", "checkpoint.keep=1"], [10]),
        (["checkpoint.every=3"], [9, 10]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value[0], str) else "",
)
def test_as_many_stay_as_asked_for(folder: Path, overrides, expected) -> None:
    assert kept(fastrun.train([*QUICK, *overrides], quiet=True).directory) == expected


@pytest.mark.usefixtures("minute_clock")
def test_every_line_is_written_before_the_state_past_it_is_saved(folder: Path, lines, monkeypatch) -> None:
    seen = []
    save = pl.Trainer.save_checkpoint

    def saving(self, path, *arguments, **named) -> None:
        seen.append((int(path.stem.removeprefix("step-")), lines(path.parents[1])[-1]["step"]))
        save(self, path, *arguments, **named)

    monkeypatch.setattr(pl.Trainer, "save_checkpoint", saving)
    fastrun.train([*QUICK, "checkpoint=every", "checkpoint.every=3min"], quiet=True)
    assert seen == [(3, 3), (6, 6), (9, 9), (10, 10)]


WATCH = """
import errno, os, signal
from concurrent.futures import wait
import pytorch_lightning as pl
from fastrun.training.callbacks.checkpoint import Checkpoint

class Fail(pl.Callback):
    def __init__(self):
        self.real = os.fsync
    def on_train_start(self, trainer, module):
        os.fsync = self.fail
    def fail(self, handle):
        os.fsync = self.real
        raise OSError(errno.EIO, os.strerror(errno.EIO))
    def on_train_batch_end(self, trainer, module, *_):
        pending = trainer.strategy.checkpoint_io._pending
        wait([pending] if pending else [])

class Stop(Fail):
    def on_train_batch_end(self, trainer, module, *_):
        if module.state.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)

class Wait(pl.Callback):
    def on_train_batch_end(self, trainer, module, *_):
        (checkpoint,) = [one for one in trainer.callbacks if isinstance(one, Checkpoint)]
        for _ in range(2):
            checkpoint.save(trainer, module, wait=True)
            assert checkpoint.run.newest_good()[0].step == module.state.step
"""


def test_a_save_that_failed_ends_the_run_at_the_next_call(folder: Path, lines) -> None:
    (folder / "watch.py").write_text(WATCH)
    with pytest.raises(StorageError, match=r"step-00000003.ckpt: Input/output error"):
        fastrun.train([*QUICK, "+callbacks.fail._target_=watch.Fail", "checkpoint.every=3"], quiet=True)
    (run,) = folder.glob("outputs/*/*")
    assert lines(run)[-1]["step"] in (3, 4)
    assert kept(run) == []


def test_a_signal_whose_save_fails_is_not_told_as_saved(folder: Path) -> None:
    (folder / "watch.py").write_text(WATCH)
    with pytest.raises(StorageError, match=r"step-00000003.ckpt: Input/output error"):
        fastrun.train([*QUICK, "+callbacks.stop._target_=watch.Stop"], quiet=True)
    (run,) = folder.glob("outputs/*/*")
    assert RunDir(run).read("status.json")["exit_code"] == 7
    assert "all of it saved" not in (run / "run.log").read_text().partition("Traceback")[0]


def test_who_waits_for_a_save_finds_it_there(folder: Path) -> None:
    (folder / "watch.py").write_text(WATCH)
    assert kept(fastrun.train([*QUICK, "+callbacks.wait._target_=watch.Wait"], quiet=True).directory) == [9, 10]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("checkpoint.every=0min", "checkpoint.every=0min is less than a step"),
        ("checkpoint.every=0", "checkpoint.every=0 is less than a step"),
        ("checkpoint.every=10m", "checkpoint.every=10m is not a duration"),
        ("checkpoint.keep=-1", "checkpoint.keep=-1 is too small"),
    ],
)
def test_what_is_no_length_is_refused(folder: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        fastrun.train([*QUICK, "checkpoint=every", override], quiet=True)
    assert caught.value.message == message
    if "10m" in override:
        assert "10min" in caught.value.hint
