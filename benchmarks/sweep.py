"""What a job of a sweep costs beyond its training, beside a fresh process for each.

    python benchmarks/sweep.py [--jobs N] [--processes N]

sweep      ``fastrun train -m seed=0,1,…``: one-step jobs on digits, one at a time; the whole command but for the time
           that its jobs trained, divided by their number
start      what the sweep takes before its first job starts: composing all jobs, and the server's imports
process    ``fastrun train``: the same job in a process of its own, the time that it trained left out as well

Claim: a job of a sweep costs at most 0.5 s beyond its training, once the sweep has started.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch
from measure import machine, parser

JOB = ("+recipe=mlp_fast", "data=digits", "device=cpu", "steps=1")


def seconds(folder: str, *command: str) -> float:
    """Return the seconds that a command of fastrun takes."""
    start = perf_counter()
    done = subprocess.run([sys.executable, "-m", "fastrun", *command], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return perf_counter() - start


def trained(summary: Path) -> float:
    """Return the seconds that a run trained."""
    clock = json.loads(summary.read_text())["clock"]
    return float(clock["train"] + clock["data_wait"])


def rows(folder: str) -> list[dict[str, Any]]:
    return [json.loads(row.read_text()) for row in sorted(Path(folder).glob("*/*/ledger/*.json"))]


def a_sweep(jobs: int) -> tuple[float, float]:
    """Return the seconds that each job of a sweep costs beyond its training, and those before the first one."""
    with tempfile.TemporaryDirectory(prefix="fastrun-benchmark-") as folder:
        seeds = ",".join(map(str, range(jobs)))
        whole = seconds(folder, "train", *JOB, f"outputs={folder}", "-m", f"seed={seeds}")
        training = sum(map(trained, Path(folder).glob("*/*/*/summary.json")))
        ledger = rows(folder)
        assert len(ledger) == jobs
        running = ledger[-1]["ended"] - ledger[0]["started"]
        return (running - training) / jobs, whole - running


def a_process(number: int) -> float:
    """Return the seconds that a process of its own costs beyond its training."""
    with tempfile.TemporaryDirectory(prefix="fastrun-benchmark-") as folder:
        whole = seconds(folder, "train", *JOB, f"outputs={folder}", f"seed={number}")
        (summary,) = Path(folder).glob("*/*/summary.json")
        return whole - trained(summary)


def options() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("--jobs", type=int, default=20, help="of the sweep (%(default)s)")
    made.add_argument("--processes", type=int, default=5, help="to compare with (%(default)s)")
    return made.parse_args()


def main() -> None:
    asked = options()
    machine(torch.device("cpu"))
    a_process(0)
    sweeps = [a_sweep(asked.jobs) for _ in range(asked.rounds)]
    job, start = (median(values) for values in zip(*sweeps, strict=True))
    process = median(a_process(number) for number in range(asked.processes))
    print(f"\n{asked.jobs} jobs of one step, {asked.rounds} rounds; seconds beyond training")
    print(f"  a job of a sweep            {job:.3f} (should be at most 0.5)")
    print(f"  a process of its own        {process:.3f}")
    print(f"  before the sweep's first    {start:.3f}, {start / asked.jobs:.3f} a job")


if __name__ == "__main__":
    main()
