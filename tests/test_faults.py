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
import fastrun.cli
from fastrun.rundir import RunDir

pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings(
        "ignore:This process .* is multi-threaded:DeprecationWarning"
    ),  # the child forks no more
]
TINY = ["data=synthetic", "data.samples=64", "data.shape=[1,4,4]", "model=mlp", "model.hidden=[8]", "batch.size=8",
        "amp=off", "speed=plain", "val_every=2", "log_every=1", "checkpoint.every=2",
        "target.metric=val/loss"]  # fmt: skip
CALLS = ("open", "write", "fsync", "replace", "unlink")
COUNTED = {"killed": ("write", "replace", "unlink"), "power": ("write", "fsync", "replace", "unlink")}  # what changes
NOT_REACHED = 100  # added to the exit code of a child that made fewer calls
DEAD = 9


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


def going_on(run: Path, n: int = 0, fault: str = "") -> int:
    disk = Disk(run, n, fault) if n else None
    code = fastrun.cli.main(["resume", str(run), "steps=6", "checkpoint.keep=1"])
    return code + (NOT_REACHED if disk and disk.left > 0 else 0)


def state(run: Path) -> tuple[Any, ...]:
    """What a run is left in, but for times: going on from the same is the same."""
    names = sorted(path.name.removesuffix(f".{path.name.rpartition('.')[2]}") for path in run.rglob(".*"))
    return *names, *sorted(path.name for path in run.rglob("[!.]*")), *trained(run), RunDir(run).status()


def weights(run: Path) -> dict[str, torch.Tensor]:
    return torch.load(RunDir(run).newest_good()[0].path, weights_only=True)["state_dict"]


def trained(run: Path) -> list[int]:
    return [line["step"] for line in RunDir(run).lines() if "train/loss" in line]


@pytest.fixture
def saved_once(folder: Path) -> Path:
    """A run that has one whole checkpoint, of step 2, a newer one that is damaged, and what a save that died left."""
    run = fastrun.train([*TINY, "steps=4", "checkpoint.keep=2"], quiet=True).directory
    os.truncate(run / "checkpoints/step-00000004.ckpt", 100)
    (run / "checkpoints/.step-00000003.ckpt.1").touch()
    return run


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="finds out a file's name as Linux has it")
@pytest.mark.parametrize("fault", ["EIO", "ENOSPC", "killed", "power"])
def test_a_whole_checkpoint_is_always_there_and_the_run_goes_on_from_it(saved_once, tmp_path, fault) -> None:
    log = tmp_path / "stderr"
    whole = Path(shutil.copytree(saved_once, tmp_path / "whole"))
    assert in_child(partial(going_on, whole), log) == (0, "")
    seen = set()
    for n in count(1):
        run = Path(shutil.copytree(saved_once, tmp_path / str(n) / "run"))
        code, said = in_child(partial(going_on, run, n, fault), log)
        if code == NOT_REACHED:
            break
        good, _ = RunDir(run).newest_good()
        assert good.step >= 2, n
        assert trained(run)[: good.step] == list(range(1, good.step + 1)), n
        if fault in ("killed", "power"):
            assert code == DEAD, (n, said)
        else:
            assert code == 7, (n, said)
            assert said.startswith("error: cannot "), (n, said)
            assert len(said.splitlines()) == 2, (n, said)
        if state(run) not in seen:
            seen.add(state(run))
            assert in_child(partial(going_on, run), log) == (0, ""), n
            assert state(run) == state(whole), n
            torch.testing.assert_close(weights(run), weights(whole), rtol=0, atol=0)
        shutil.rmtree(run.parent)
    assert n > 20
    assert len(seen) > 5
