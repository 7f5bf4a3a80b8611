"""Whatever call of the system fails during a run, or is its last: a whole checkpoint is there, and the run goes on."""

from __future__ import annotations

import errno
import os
import shutil
import sys
import threading
from collections.abc import Callable
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import pytest
import torch

import fastrun
from fastrun.cli.main import main
from fastrun.storage.run_dir import RunDir

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs Linux to find the name of an open file"),
    pytest.mark.filterwarnings(
        "ignore:This process .* is multi-threaded:DeprecationWarning"
    ),  # the child does not fork
]
TINY = ["data=synthetic", "data.samples=64", "data.shape=[1,4,4]", "model=mlp", "model.hidden=[8]", "batch.size=8",
        "amp=off", "speed=plain", "val_every=2", "log_every=1", "checkpoint.every=2",
        "target.metric=val/loss"]  # fmt: skip
CALLS = ("open", "write", "fsync", "replace", "unlink")
COUNTED = {"killed": ("write", "replace", "unlink"), "power": ("write", "fsync", "replace", "unlink")}  # what changes
NOT_REACHED = 100  # added to the exit code of a child that made fewer calls
DEAD = 9
EVERY = 3  # the calls that are tried: all of them would take minutes


class Disk:
    """The calls below a folder: the n-th fails, or the process dies there, or with it the power.

    ``EIO`` comes once; a disk that is full stays so, and takes half of the write that fills it. A process that dies in
    a write leaves half of it. With the power goes what was not synced: bytes, and renames into a folder.
    """

    def __init__(self, folder: Path, n: int, fault: str) -> None:
        self.folder, self.left, self.fault = folder, n, fault
        self.lock = threading.RLock()
        self.real = {name: getattr(os, name) for name in CALLS}
        self.synced: dict[int, int] = {}  # the size on the disk of files that have more, by inode
        self.renamed: list[tuple[Path, Path, Path | None]] = []  # what came from where, and what was there before
        for name in CALLS:
            setattr(os, name, partial(self.call, name))

    def call(self, name: str, what: Any, *rest: Any, **named: Any) -> Any:
        path = Path(f"/proc/self/fd/{what}").readlink() if isinstance(what, int) else Path(what)
        if self.folder not in (path, *path.parents):
            return self.real[name](what, *rest, **named)
        with self.lock:
            is_counted = name in COUNTED.get(self.fault, CALLS) and (self.fault == "EIO" or path.name != "run.log")
            self.left -= is_counted
            if (is_counted and self.left == 0) or (self.left < 0 and self.fault == "ENOSPC"):
                self.fail(name, what, path, *rest)
            self.note(name, what, path, *rest)
            return self.real[name](what, *rest, **named)

    def fail(self, name: str, what: Any, path: Path, *rest: Any) -> None:
        if name == "write" and self.fault != "EIO":
            self.note(name, what, path, *rest)
            self.real["write"](what, rest[0][: len(rest[0]) // 2])
        if self.fault == "power":
            self.lose()
        if self.fault in ("killed", "power"):
            os._exit(DEAD)
        takes_room = name in ("write", "fsync", "replace") or (name == "open" and rest[0] & os.O_CREAT)
        if self.fault == "EIO" or takes_room:
            number = getattr(errno, self.fault)
            raise OSError(number, os.strerror(number), *([] if isinstance(what, int) else [str(path)]))

    def note(self, name: str, what: Any, path: Path, *rest: Any) -> None:
        """Keep what a loss of power would bring back."""
        if name == "write":
            self.synced.setdefault(os.fstat(what).st_ino, os.fstat(what).st_size)
        elif name == "fsync":
            self.synced.pop(os.fstat(what).st_ino, None)
            self.renamed = [one for one in self.renamed if one[1].parent != path]
        elif name == "replace":
            before = self.folder.parent / f"before-{len(self.renamed)}-{self.left}"
            if Path(rest[0]).exists():
                os.link(rest[0], before)
            self.renamed.append((path, Path(rest[0]), before if before.exists() else None))

    def lose(self) -> None:
        for source, target, before in reversed(self.renamed):
            if target.exists():
                target.rename(source)
            if before:
                os.link(before, target)
        for path in self.folder.rglob("*"):
            inode = path.stat().st_ino
            if inode in self.synced:
                os.truncate(path, self.synced[inode])


def in_child(work: Callable[[], int], log: Path) -> tuple[int, str]:
    """Return the exit code of a forked child, in which all is imported already, and what it said on stderr."""
    child = os.fork()
    if not child:
        code = 1
        try:
            torch.set_num_threads(1)
            with Path(os.devnull).open("w") as sys.stdout, log.open("w") as sys.stderr:
                code = work()
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code, log.read_text()


def resume(run: Path, n: int = 0, fault: str = "") -> int:
    disk = Disk(run, n, fault) if n else None
    code = main(["resume", str(run), "steps=6", "checkpoint.keep=1"])
    return code + (NOT_REACHED if disk and disk.left > 0 else 0)


def state(run: Path) -> tuple[Any, ...]:
    """What a run is left in, but for times: going on from the same is the same."""
    names = sorted(path.name.removesuffix(f".{path.name.rpartition('.')[2]}") for path in run.rglob(".*"))
    return *names, *sorted(path.name for path in run.rglob("[!.]*")), *trained_steps(run), RunDir(run).status()


def weights(run: Path) -> dict[str, torch.Tensor]:
    return torch.load(RunDir(run).newest_good()[0].path, weights_only=True)["state_dict"]


def trained_steps(run: Path) -> list[int]:
    return [line["step"] for line in RunDir(run).lines() if "train/loss" in line]


@pytest.fixture
def saved_once(folder: Path) -> Path:
    """A run that has one whole checkpoint, of step 2, a newer one that is damaged, and what a save that died left."""
    run = fastrun.train([*TINY, "steps=4", "checkpoint.keep=2"], quiet=True).directory
    os.truncate(run / "checkpoints/step-00000004.ckpt", 100)
    (run / "checkpoints/.step-00000003.ckpt.1").touch()
    return run


FAULTS = pytest.mark.parametrize("fault", ["EIO", "ENOSPC", "killed", "power"])


class Trial:
    """A run that is resumed with a fault at its n-th call, and once more without one."""

    def __init__(self, saved_once: Path, folder: Path, fault: str) -> None:
        self.saved_once, self.folder, self.fault = saved_once, folder, fault
        self.log = folder / "stderr"
        self.whole = Path(shutil.copytree(saved_once, folder / "whole"))
        self.seen: set[tuple[Any, ...]] = set()
        assert in_child(partial(resume, self.whole), self.log) == (0, "")

    def check(self, n: int) -> bool:
        """Check that nothing is lost; return whether the run made as many calls."""
        run = Path(shutil.copytree(self.saved_once, self.folder / str(n) / "run"))
        code, error = in_child(partial(resume, run, n, self.fault), self.log)
        if code != NOT_REACHED:
            self.check_broken(run, n, code, error)
        shutil.rmtree(run.parent)
        return code != NOT_REACHED

    def check_broken(self, run: Path, n: int, code: int, error: str) -> None:
        good, _ = RunDir(run).newest_good()
        assert good.step >= 2, n
        assert trained_steps(run)[: good.step] == list(range(1, good.step + 1)), n
        if self.fault in ("killed", "power"):
            assert code == DEAD, (n, error)
        else:
            assert code == 7, (n, error)
            assert error.startswith("error: cannot "), (n, error)
            assert len(error.splitlines()) == 2, (n, error)
        if state(run) not in self.seen:
            self.seen.add(state(run))
            assert in_child(partial(resume, run), self.log) == (0, ""), n
            assert state(run) == state(self.whole), n
            torch.testing.assert_close(weights(run), weights(self.whole), rtol=0, atol=0)


@pytest.mark.sampled
@FAULTS
def test_a_whole_checkpoint_is_there_after_a_fault_and_the_run_goes_on_from_it(saved_once, tmp_path, fault) -> None:
    trial = Trial(saved_once, tmp_path, fault)
    assert trial.check(5)
    assert trial.check(15)


@pytest.mark.slow
@FAULTS
def test_a_whole_checkpoint_is_there_whichever_call_of_many_meets_the_fault(saved_once, tmp_path, fault) -> None:
    trial = Trial(saved_once, tmp_path, fault)
    first = 1 + len(fault) % EVERY  # the faults meet different calls
    calls = next(n for n in count(first, EVERY) if not trial.check(n))
    assert calls > 20
    assert len(trial.seen) > 2
