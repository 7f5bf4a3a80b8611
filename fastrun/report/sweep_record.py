"""Sweeps among runs: one record for all the runs of a sweep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fastrun.report.record import RunRecord


def with_sweeps(records: Sequence[RunRecord], folder: Path) -> list[RunRecord]:
    """Return the runs that belong to no sweep, and one record for each sweep, in the order of their starts.

    Args:
        records: the runs.
        folder: the folder that is listed; a sweep that it is itself, or that it lies in, is listed run by run.
    """
    jobs: dict[Path, list[RunRecord]] = {}
    others = []
    for record in records:
        if record.sweep is not None and record.sweep != folder and record.sweep.is_relative_to(folder):
            jobs.setdefault(record.sweep, []).append(record)
        else:
            others.append(record)
    sweeps = [_sweep_record(sweep, runs) for sweep, runs in jobs.items()]
    return sorted([*others, *sweeps], key=lambda record: (record.started, record.path))


def _sweep_record(folder: Path, jobs: Sequence[RunRecord]) -> RunRecord:
    """Return the record of a sweep: what varies in it, how its runs ended, and the best and the fastest of them."""
    statuses = dict(Counter(job.status for job in jobs).most_common())
    metrics = {job.metric for job in jobs if job.best is not None}
    best = max(jobs, key=lambda job: job.rank) if len(metrics) == 1 else replace(jobs[0], best=None, best_step=None)
    reached = [job for job in jobs if job.target_seconds is not None]
    fastest = min(reached, key=lambda job: job.target_seconds or 0.0, default=jobs[0])
    varied = ", ".join(_varied_keys(jobs))
    return replace(
        best,
        path=folder,
        id=jobs[0].sweep_id or folder.name,
        status=", ".join(f"{count} {status}" for status, count in statuses.items()),
        reason=None,
        differs=[f"{len(jobs)} runs over {varied}" if varied else f"{len(jobs)} runs"],
        target_reached=bool(reached),
        target_seconds=fastest.target_seconds,
        target_wall_seconds=fastest.target_wall_seconds,
        target_steps=fastest.target_steps,
        train_seconds=sum(job.train_seconds or 0.0 for job in jobs),
        wall_seconds=None,
        peak_memory=max((job.peak_memory for job in jobs if job.peak_memory is not None), default=None),
        started=max(job.started for job in jobs),
        updated=max(job.updated for job in jobs),
        sweep=None,
        kind="sweep",
        runs=statuses,
    )


def _varied_keys(jobs: Sequence[RunRecord]) -> list[str]:
    """Return the keys whose overrides are not the same in all jobs."""
    counts = Counter(override for job in jobs for override in dict.fromkeys(job.differs))
    return list(
        dict.fromkeys(override.partition("=")[0].lstrip("+") for override in counts if counts[override] < len(jobs))
    )
