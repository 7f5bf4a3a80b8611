"""Studies among runs: one record for all the runs of a study or a race, with the state of the whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from fastrun.report.location import is_study
from fastrun.report.record import RunRecord
from fastrun.report.study_state import StudyState, label_of, read_state


def outside_studies(records: Sequence[RunRecord], folder: Path) -> list[RunRecord]:
    """Return the runs that belong to no study or race, or to one that the folder is, or lies in.

    Args:
        records: the runs.
        folder: the folder that was named.
    """
    studies = _studies(records, folder)
    return [record for record in records if record.sweep not in studies]


def with_studies(records: Sequence[RunRecord], folder: Path) -> list[RunRecord]:
    """Return the runs that belong to no study, and one record for each study, in the order of their starts.

    Args:
        records: the runs, the oldest first.
        folder: the folder that is listed; a study that it is itself, or that it lies in, is listed run by run.
    """
    jobs: dict[Path, list[RunRecord]] = {study: [] for study in _studies(records, folder)}
    for record in records:
        if record.sweep in jobs:
            jobs[record.sweep].append(record)
    others = [record for record in records if record.sweep not in jobs]
    studies = [study_record(study, runs) for study, runs in jobs.items()]
    return sorted([*others, *studies], key=lambda record: (record.started, record.path))


def study_record(folder: Path, jobs: Sequence[RunRecord]) -> RunRecord:
    """Return the record of a study, with the config of its first run, and no result of its own.

    Args:
        folder: its folder.
        jobs: its runs, at least one.
    """
    state = read_state(folder)
    return replace(
        jobs[0],
        path=folder,
        id=jobs[0].sweep_id or folder.name,
        status=state.status,
        reason=state.reason or _progress(state, jobs),
        differs=[f"{state.kind} of {', '.join(state.about)}" if state.about else state.kind],
        metric=None,
        best=None,
        best_step=None,
        target_reached=False,
        target_seconds=None,
        target_wall_seconds=None,
        target_steps=None,
        steps=None,
        train_seconds=None,
        wall_seconds=None,
        samples_per_second=None,
        peak_memory=None,
        started=max(job.started for job in jobs),
        updated=max(job.updated for job in jobs),
        sweep=None,
        kind=state.kind,
        runs=dict(Counter(job.status for job in jobs).most_common()),
    )


def _progress(state: StudyState, jobs: Sequence[RunRecord]) -> str | None:
    """Return where a study is or where it stopped; None where it is over."""
    if state.status == "finished":
        return None
    return state.progress(label_of(job.path.name) for job in jobs)


def _studies(records: Sequence[RunRecord], folder: Path) -> list[Path]:
    """Return the folders of the studies below a folder that runs belong to."""
    sweeps = dict.fromkeys(record.sweep for record in records if record.sweep is not None)
    return [sweep for sweep in sweeps if sweep != folder and sweep.is_relative_to(folder) and is_study(sweep)]
