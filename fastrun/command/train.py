"""Train a network; with -m, one for each combination of options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastrun.job import Job, Launch, Row, Source
from fastrun.settings import Sweep


def run(arguments: list[str]) -> int:
    """Pass the arguments to Hydra, whose whole grammar they may use."""
    from fastrun import hydra_app
    from fastrun.sweep.client import Client
    from fastrun.sweep.run import exit_code, sweep

    rows: list[Row] = []
    client = Client() if _sweeps(arguments) else None  # it imports while the jobs are composed

    def many(folder: Path, source: Source, settings: Sweep, launch: Launch | None) -> list[Row]:
        rows.extend(sweep(folder, source, settings, launch, client))
        return rows

    try:
        hydra_app.run(arguments, one, many)
    finally:
        if client:
            client.close()
    return exit_code(rows)


def _sweeps(arguments: list[str]) -> bool:
    """Say whether a command line will most likely run a sweep by our launcher."""
    elsewhere = any(text.startswith("hydra/launcher=") for text in arguments)
    return bool({"-m", "--multirun"} & set(arguments)) and not elsewhere


def one(job: Job) -> Any:
    """Run a single run, or a job that another launcher than ours runs."""
    from fastrun import execute
    from fastrun.sweep import alone

    return alone.run(job) if alone.is_part(job) else execute.train(job.settings, job.folder, job.said)
