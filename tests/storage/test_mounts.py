"""Runs on disks that fill up, cannot be written, or lie elsewhere than $TMPDIR: real ones, as root can mount them."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

import fastrun
from fastrun.cli.main import main
from fastrun.storage.checkpoint import io
from fastrun.storage.run_dir import RunDir

pytestmark = pytest.mark.slow

TINY = ["data=synthetic", "data.samples=64", "data.shape=[1,4,4]", "model=mlp", "batch.size=8", "amp=off",
        "speed=plain", "speed.steps_per_call=1", "log_every=1"]  # fmt: skip
ALL_KEPT = ["checkpoint=every", "checkpoint.every=2", "val_every=100%"]
WIDE = ["model.hidden=[4096]", "optimizer=adamw"]  # a checkpoint of 1.3 MB


def system(*command: str | Path) -> None:
    """Have the system do what may not be permitted here."""
    if shutil.which(str(command[0])) is None:
        pytest.skip(f"{command[0]} is not there")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"{command[0]} is not permitted: {done.stderr.strip()}")


def unmount(path: Path) -> None:
    while path.is_mount():
        subprocess.run(["umount", "-l", path], check=True)


@pytest.fixture
def disk(folder: Path) -> Iterator[Callable[[str, str], Path]]:
    """Mount disks of their own, and take them away at the end."""
    with ExitStack() as mounted:

        def mount(name: str, options: str) -> Path:
            (folder / name).mkdir()
            system("mount", "-t", "tmpfs", "-o", options, "tmpfs", folder / name)
            mounted.callback(unmount, folder / name)
            return folder / name

        yield mount


@pytest.fixture
def train(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, list[str]]]:
    """Train on a command line; return the exit code and the lines on stderr."""

    def run(*arguments: str) -> tuple[int, list[str]]:
        capfd.readouterr()
        return main(list(arguments)), capfd.readouterr().err.splitlines()

    return run


def the_run(outputs: Path) -> RunDir:
    (config,) = outputs.rglob("config.yaml")
    return RunDir(config.parent)


def assert_goes_on(run: RunDir, train, *, least: int, steps: int) -> None:
    """A checkpoint is whole, and the run ends as it should have once there is room."""
    good, broken = run.newest_good()
    assert (good.step >= least, broken) == (True, [])
    run.end("failed", 7)  # where the disk took no status any more, the end of the process would tell
    assert train("resume", str(run.path), f"steps={steps}") == (0, [])
    assert [line["step"] for line in run.lines() if "train/loss" in line] == list(range(1, steps + 1))
    assert not list(run.path.rglob(".*"))


@pytest.mark.parametrize("is_foreseen", [True, False], ids=["seen before the save", "met in the middle of a write"])
def test_a_disk_that_fills_up_ends_the_run_with_what_was_saved_whole(disk, train, monkeypatch, is_foreseen) -> None:
    small = disk("small", "size=4m")
    if not is_foreseen:
        monkeypatch.setattr(io, "check_free_space", lambda path, size: None)
    code, (error, hint) = train("train", *TINY, *WIDE, *ALL_KEPT, f"outputs={small}", "steps=12")
    run = the_run(small)
    assert code == 7
    assert error.startswith(f"error: cannot write {run.checkpoints / 'step-00000006.ckpt'}: ")
    assert ("MB needed" in error, "No space left on device" in error) == (is_foreseen, not is_foreseen)
    assert "free some space" in hint
    assert [saved.step for saved in run.saved_checkpoints() if saved.is_good()] == [4, 2]
    assert (run.status(), run.read("status.json")["exit_code"]) == ("failed", 7)
    assert "free some space" in (run.path / "run.log").read_text()
    system("mount", "-o", "remount,size=64m", small)
    assert_goes_on(run, train, least=4, steps=12)


def test_a_disk_without_room_for_another_file_ends_the_run_in_a_line(disk, train) -> None:
    """Its bytes suffice: what is missing are inodes, or, of a quota, what statvfs does not tell."""
    crowded = disk("crowded", "size=64m,nr_inodes=20")
    code, (error, hint) = train("train", *TINY, *ALL_KEPT, f"outputs={crowded}", "steps=20")
    assert (code, hint) == (7, "hint: free some space")
    assert "No space left on device" in error
    system("mount", "-o", "remount,nr_inodes=100", crowded)
    assert_goes_on(the_run(crowded), train, least=4, steps=20)


CALLBACK = """
import subprocess
import pytorch_lightning as pl

class Then(pl.Callback):
    command = None

    def __init__(self, at, command):
        self.at = at
        Then.command = list(command) if Then.command is None else Then.command
    def on_train_batch_start(self, trainer, module, *_):
        trainer.strategy.checkpoint_io.wait()
        if module.state.step == self.at and self.command:
            subprocess.run(self.command, check=True)
            Then.command = ()  # once
"""


def test_a_disk_that_becomes_read_only_under_a_run_ends_it_in_a_line(folder, disk, train) -> None:
    (folder / "worsening.py").write_text(CALLBACK)
    place = disk("place", "size=16m")
    over = f"mount --bind {place} {place} && mount -o remount,bind,ro {place}"  # as files may be open for writing
    worsens = f"{{_target_: worsening.Then, at: 5, command: [sh, -c, '{over}']}}"
    code, (error, hint) = train(
        "train", *TINY, f"outputs={place}", "steps=8", "checkpoint.every=2", f"+callbacks.then={worsens}"
    )
    assert code == 7
    assert error.startswith(f"error: cannot write {place}")
    assert error.endswith("Read-only file system")
    assert "outputs=" in hint
    run = the_run(place)
    assert train("runs", str(place)) == (0, [])
    assert train("eval", str(run.path), "--ckpt", "last") == (0, [])
    system("umount", place)
    assert_goes_on(run, train, least=4, steps=8)


def test_a_place_that_is_read_only_is_refused_in_a_line(disk, train) -> None:
    place = disk("place", "size=1m,ro")
    code, (error, hint) = train("train", *TINY, f"outputs={place / 'runs'}", "steps=2")
    assert code == 7
    assert error == f"error: cannot write {place / 'runs'}: Read-only file system"
    assert "outputs=" in hint


@pytest.mark.parametrize("name", ["checkpoints", "metrics.jsonl", "run.log", "status.json"])
def test_what_is_immutable_ends_the_run_in_a_line(folder, train, name) -> None:
    run = RunDir(fastrun.train([*TINY, "steps=2"], quiet=True).directory)
    system("chattr", "+i", run.path / name)
    try:
        code, (error, hint) = train("resume", str(run.path), "steps=4")
        assert code == 7
        assert error.startswith(f"error: cannot write {run.path / name}")
        assert error.endswith("Operation not permitted")
        assert "lsattr" in hint
    finally:
        system("chattr", "-i", run.path / name)
    assert_goes_on(run, train, least=2, steps=4)


def test_a_full_place_for_temporary_files_is_not_used(folder, disk, train, monkeypatch) -> None:
    full = disk("full", "size=64k")
    (full / "all").write_bytes(bytes(1 << 16))
    monkeypatch.setenv("TMPDIR", str(full))
    monkeypatch.setattr("tempfile.tempdir", None)
    assert train("train", *TINY, *WIDE, "steps=4", "checkpoint.every=2") == (0, [])
    assert [path.name for path in full.iterdir()] == ["all"]
    assert the_run(folder).newest_good()[0].step == 4
