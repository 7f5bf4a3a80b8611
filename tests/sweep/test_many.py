"""Two hundred jobs leave nothing behind, and cost their server no memory."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
JOB = (
    "data=synthetic", "data.samples=16", "data.shape=[2]", "data.classes=2", "model=mlp", "model.hidden=[2]",
    "steps=1", "checkpoint=none", "amp=off", "device=cpu",
)  # fmt: skip


def shared_memory() -> set[str]:
    return set(os.listdir("/dev/shm"))  # noqa: PTH208 (names are what counts)


def state_of(pid: int) -> dict[str, int]:
    """A process's open handles, threads and children, and its own memory in KiB."""
    process = Path(f"/proc/{pid}")
    status = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
    return {
        "handles": len(list((process / "fd").iterdir())),
        "threads": int(status["Threads"]),
        "children": len((process / f"task/{pid}/children").read_text().split()),
        "memory": int(status["VmRSS"].split()[0]),
    }


@pytest.mark.full
def test_two_hundred_jobs_leave_nothing_and_the_servers_memory_is_flat(folder: Path, rows: Any, left: Any) -> None:
    before = shared_memory()
    command = [sys.executable, "-m", "fastrun", "train", *JOB, "-m", "seed=range(0,200)", "sweep.jobs=2"]
    environ = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    sweep = subprocess.Popen(command, cwd=folder, env=environ, stdout=subprocess.DEVNULL)
    marks: dict[int, dict[str, int]] = {}
    while sweep.poll() is None:
        time.sleep(0.1)
        done = len(list(folder.glob("outputs/train/sweep-*/[0-9]*")))
        for mark in (20, 190):
            if done >= mark and mark not in marks:
                (server,) = map(int, Path(f"/proc/{sweep.pid}/task/{sweep.pid}/children").read_text().split())
                marks[mark] = state_of(server)
    assert sweep.returncode == 0
    (ledger,) = folder.glob("outputs/train/sweep-*")
    assert [row["state"] for row in rows(ledger)] == ["finished"] * 200
    early, late = marks[20], marks[190]
    assert late["memory"] < early["memory"] + 4096
    assert late["threads"] == early["threads"] == 1
    assert late["handles"] == early["handles"]
    assert late["children"] <= 2
    assert left() == []
    assert shared_memory() <= before
