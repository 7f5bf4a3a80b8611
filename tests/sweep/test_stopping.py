"""Sweeps that are stopped, kindly or not: nothing of them is left running, nothing that was earned is lost."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def start(faults: Path, tiny: tuple[str, ...]) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Start a sweep over kinds of jobs; none is left after the test."""
    started = []

    def sweep(kinds: str, *more: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "fastrun", "train", *tiny, "-m", f"+callbacks.fault.kind={kinds}", *more]
        environ = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        started.append(subprocess.Popen(command, cwd=faults, env=environ, **pipes))
        return started[-1]

    yield sweep
    for process in started:
        process.kill()
        process.communicate()


def until(happened: Callable[[], Any]) -> Any:
    """Wait for something, and return it."""
    deadline = time.monotonic() + 60
    while not (found := happened()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
    return found


def written(path: Path) -> int:
    """Wait until a process has written its number to a file, and return it."""
    return int(until(lambda: path.is_file() and path.read_text()))


def is_gone(pid: int) -> bool:
    """Say whether a process has ended, whoever is to reap it."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def server_of(sweep: subprocess.Popen[str]) -> int:
    """The process that a sweep's jobs are forked from."""
    return int(Path(f"/proc/{sweep.pid}/task/{sweep.pid}/children").read_text().split()[0])


def contents(run: Path) -> dict[str, tuple[int, str]]:
    """When each file of a run was written, and its hash."""
    return {
        str(path): (path.stat().st_mtime_ns, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in sorted(run.rglob("*"))
        if path.is_file()
    }


def test_a_sweep_whose_supervisor_is_killed_goes_on_without_loss(
    faults: Path, start: Any, new_process: Any, rows: Any
) -> None:
    sweep = start("fine,waits,fine")
    job = written(faults / "pid-waits")
    server = server_of(sweep)
    (folder,) = faults.glob("outputs/train/sweep-*")
    second = new_process("resume", str(folder))
    assert (second.returncode, f"is running in process {sweep.pid}" in second.stderr) == (8, True)

    sweep.kill()
    sweep.wait()
    (faults / "armed").unlink()
    until(lambda: is_gone(job) and is_gone(server))
    first, stopped = sorted(folder.glob("[0-9]*"))  # nobody started a third
    assert '"interrupted"' in (stopped / "status.json").read_text()
    before = contents(first)

    done = new_process("resume", str(folder))
    assert done.returncode == 0, done.stderr
    assert [row["state"] for row in rows(folder)] == ["finished"] * 3
    assert [row["attempts"] for row in rows(folder)] == [1, 2, 1]
    assert contents(first) == before
    assert (faults / "began").read_text().split() == ["fine", "0", "waits", "0", "waits", "3", "fine", "0"]


def test_sigterm_lets_jobs_save_and_says_how_to_go_on(faults: Path, start: Any, rows: Any) -> None:
    sweep = start("waits,fine")
    job = written(faults / "pid-waits")
    server = server_of(sweep)
    sweep.terminate()
    out, _ = sweep.communicate(timeout=60)
    (folder,) = faults.glob("outputs/train/sweep-*")
    assert sweep.returncode == 143
    assert "stopping: jobs save what they have" in out
    assert f"fastrun resume {folder.relative_to(faults)}" in out
    assert [row["state"] for row in rows(folder)] == ["interrupted", "waiting"]
    assert [row["exit_code"] for row in rows(folder)] == [143, None]
    assert list(folder.glob("0-*/checkpoints/step-*3.ckpt"))
    assert is_gone(job)
    assert is_gone(server)


def test_a_second_ctrl_c_waits_for_nobody(faults: Path, start: Any, rows: Any, left: Any) -> None:
    sweep = start("hangs,fine", "sweep.grace=10min")
    job = written(faults / "pid-hangs")
    sweep.send_signal(signal.SIGINT)
    time.sleep(0.5)  # two at once are one
    sweep.send_signal(signal.SIGINT)
    sweep.communicate(timeout=60)
    (folder,) = faults.glob("outputs/train/sweep-*")
    assert sweep.returncode == 130
    assert [row["state"] for row in rows(folder)] == ["killed", "waiting"]
    assert is_gone(job)
    assert left() == []


def test_jobs_of_a_server_that_dies_save_and_the_others_go_on(faults: Path, start: Any, rows: Any) -> None:
    sweep = start("waits,fine")
    written(faults / "pid-waits")
    os.kill(server_of(sweep), signal.SIGKILL)
    out, _ = sweep.communicate(timeout=60)
    (folder,) = faults.glob("outputs/train/sweep-*")
    assert [row["state"] for row in rows(folder)] == ["interrupted", "finished"]
    assert list(folder.glob("0-*/checkpoints/step-*3.ckpt"))
    assert sweep.returncode == 1
    assert "2 jobs: 1 interrupted, 1 finished" in out
