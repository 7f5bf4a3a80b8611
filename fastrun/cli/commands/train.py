"""Train a network; with -m, one for each combination of options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastrun.config.settings import SweepConfig
from fastrun.search.job import Job, JobRecord, JobSource, Launch


def run(arguments: list[str]) -> int:
    """Pass the arguments to Hydra, whose whole grammar they may use."""
    from fastrun import compose
    from fastrun.sweep.client import Client
    from fastrun.sweep.runner import exit_code, sweep

    records: list[JobRecord] = []
    client = Client() if _sweeps(arguments) else None  # it imports while the jobs are composed

    def many(folder: Path, source: JobSource, settings: SweepConfig, launch: Launch | None) -> list[JobRecord]:
        records.extend(sweep(folder, source, settings, launch, client))
        return records

    try:
        compose.run(arguments, one, many)
    finally:
        if client:
            client.close()
    return exit_code(records)


def _sweeps(arguments: list[str]) -> bool:
    """Say whether a command line will most likely run a sweep by our launcher."""
    elsewhere = any(text.startswith("hydra/launcher=") for text in arguments)
    return bool({"-m", "--multirun"} & set(arguments)) and not elsewhere


def one(job: Job) -> Any:
    """Run a single run, or a job that another launcher than ours runs."""
    from fastrun.run import runner
    from fastrun.sweep import external_job
    from fastrun.system.clock import process_start

    if external_job.is_part(job):
        return external_job.run(job)
    return runner.train(job.settings, job.folder, job.overrides, started=process_start())
