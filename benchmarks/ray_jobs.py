"""What a job of a sweep on a local Ray costs beyond its training.

    python benchmarks/ray_jobs.py [--jobs N] [--cores N]

job      ``fastrun train -m hydra/launcher=ray seed=0,1,…``: one-step jobs on digits, as many at a time as there are
         cores. From the end of the first jobs to that of the last one, times the jobs at a time, but for the time that
         they trained, divided by their number
start    what the sweep takes besides: composing all jobs, starting and ending Ray, and torch's import in each slot

Claim: a job on Ray costs at most 0.5 s beyond its training, once the first job has begun.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from statistics import median

import torch
from measure import machine, parser
from sweep import JOB, rows, seconds, trained


def a_sweep(jobs: int, cores: int) -> tuple[float, float]:
    """Return the seconds of a core that each job takes beyond its training, and those of the sweep besides."""
    ray = "hydra/launcher=ray", f"hydra.launcher.ray.init.num_cpus={cores}", "speed.threads=1"
    with tempfile.TemporaryDirectory(prefix="fastrun-benchmark-") as folder:
        seeds = ",".join(map(str, range(jobs)))
        whole = seconds(folder, "train", *JOB, *ray, f"outputs={folder}", "-m", f"seed={seeds}")
        training = sum(map(trained, Path(folder).glob("*/*/*/summary.json")))
        ledger = rows(folder)
        assert len(ledger) == jobs
        ended = sorted(row["ended"] for row in ledger)
        running, later = ended[-1] - ended[cores - 1], jobs - cores
        return running * cores / later - training / jobs, whole - running


def options() -> argparse.Namespace:
    made = parser(__doc__)
    made.add_argument("--jobs", type=int, default=1000, help="of the sweep (%(default)s)")
    made.add_argument("--cores", type=int, default=2, help="that Ray has, and jobs at a time (%(default)s)")
    return made.parse_args()


def main() -> None:
    asked = options()
    machine(torch.device("cpu"))
    sweeps = [a_sweep(asked.jobs, asked.cores) for _ in range(asked.rounds)]
    job, start = (median(times) for times in zip(*sweeps, strict=True))
    print(f"\n{asked.jobs} jobs of one step on Ray, {asked.cores} at a time; seconds beyond training")
    print(f"  a job            {job:.3f} (should be at most 0.5)")
    print(f"  start and end    {start:.3f}, {start / asked.jobs:.3f} a job")


if __name__ == "__main__":
    main()
