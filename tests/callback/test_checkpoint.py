"""When checkpoints are saved, and which of them stay."""

from __future__ import annotations

import json
import shutil
from functools import partial
from itertools import count
from pathlib import Path
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl

import fastrun
import fastrun.cli
from fastrun.callback.checkpoint import Checkpoint
from fastrun.errors import ConfigError, StorageError
from fastrun.plan import Plan
from fastrun.rundir import RunDir

QUICK = ["model=mlp", "model.hidden=[8]", "amp=off", "steps=10", "val_every=100%", "speed.steps_per_call=1"]


def kept(run: Path) -> list[int]:
    return sorted(int(path.stem.removeprefix("step-")) for path in run.glob("checkpoints/*.ckpt"))


@pytest.fixture
def a_minute_a_look(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that is a minute on whenever it is looked at: once a call of steps, and once a save."""
    ticks = count()
    monkeypatch.setattr("fastrun.callbacks.Checkpoint", partial(Checkpoint, now=lambda: 60.0 * next(ticks)))


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
@pytest.mark.usefixtures("a_minute_a_look")
def test_minutes_count_from_the_last_save_and_at_the_ends_of_calls(folder: Path, overrides, expected) -> None:
    assert kept(fastrun.train([*QUICK, *overrides], quiet=True).directory) == expected


@pytest.mark.usefixtures("a_minute_a_look")
def test_a_save_that_is_due_with_a_validation_comes_after_it(folder: Path) -> None:
    run = fastrun.train([*QUICK, "val_every=3", "checkpoint=every", "checkpoint.every=3min"], quiet=True).directory
    assert "val/acc" in json.loads((run / "checkpoints/step-00000003.json").read_text())["metrics"]


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


@pytest.mark.usefixtures("a_minute_a_look")
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
from fastrun.callback.checkpoint import Checkpoint

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
        if module.tally.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)

class Wait(pl.Callback):
    def on_train_batch_end(self, trainer, module, *_):
        (checkpoint,) = [one for one in trainer.callbacks if isinstance(one, Checkpoint)]
        for _ in range(2):
            checkpoint.save(trainer, module, wait=True)
            assert checkpoint.run.newest_good()[0].step == module.tally.step
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


def test_a_checkpoint_past_the_one_saved_does_not_cost_it_its_place(folder: Path) -> None:
    """As a damaged one may lie there, or one that a run went back from."""
    run = fastrun.train([*QUICK, "checkpoint.keep=1"], quiet=True).directory
    checkpoint = Checkpoint(RunDir(run), None, None, keep=1)
    for step in (5, 20):
        for end in ("ckpt", "json"):
            shutil.copy(run / f"checkpoints/step-00000010.{end}", run / f"checkpoints/step-000000{step:02}.{end}")
        manifest = run / f"checkpoints/step-000000{step:02}.json"
        manifest.write_text(json.dumps(json.loads(manifest.read_text()) | {"step": step}))
    checkpoint._prune(10, None)
    assert kept(run) == [10, 20]


@pytest.mark.parametrize("decided", [True, False])
def test_of_several_processes_the_first_decides(decided: bool) -> None:
    asked = []

    def broadcast(own: bool) -> bool:
        asked.append(own)
        return decided

    now = iter([0.0, 59.0])
    checkpoint = Checkpoint(SimpleNamespace(), None, None, None, minutes=1, now=lambda: next(now))
    trainer = SimpleNamespace(world_size=2, strategy=SimpleNamespace(broadcast=broadcast))
    module = SimpleNamespace(plan=Plan(10, 100, 100, 100), tally=SimpleNamespace(step=7))
    assert checkpoint._due(trainer, module) is decided
    assert asked == [False]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("checkpoint.every=0min", "checkpoint.every=0min is not a length"),
        ("checkpoint.every=0", "checkpoint.every=0 is less than a step"),
        ("checkpoint.every=10m", "checkpoint.every=10m is not a length"),
        ("checkpoint.keep=-1", "checkpoint.keep=-1 is too small"),
    ],
)
def test_what_is_no_length_is_refused(folder: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        fastrun.train([*QUICK, "checkpoint=every", override], quiet=True)
    assert caught.value.message == message
    if "10m" in override:
        assert "10min" in caught.value.hint
