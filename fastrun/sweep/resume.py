"""Going on with a sweep: what is missing, what was stopped and, if asked for, what failed."""

from __future__ import annotations

from pathlib import Path

from fastrun import compose
from fastrun.config.duration import to_seconds
from fastrun.config.settings import SweepConfig
from fastrun.errors import ConfigError, InUse
from fastrun.storage.job import FAILED, UNFINISHED, Job, JobList, JobRecord, JobSource
from fastrun.storage.links import check_no_links
from fastrun.storage.lock import locked
from fastrun.storage.run_dir import RunDir
from fastrun.sweep import outcome
from fastrun.sweep.ledger import Ledger
from fastrun.sweep.runner import carry_out, conclude

_MAY = ("sweep.jobs", "sweep.gpus", "sweep.timeout", "sweep.grace")


def resume(folder: Path, overrides: list[str], with_failed: bool) -> list[JobRecord]:
    """Run the jobs of a sweep that have not ended, from their newest checkpoint where there is one.

    Args:
        folder: the sweep's.
        overrides: other values of ``sweep.jobs``, ``sweep.gpus``, ``sweep.timeout`` and ``sweep.grace``.
        with_failed: run what failed or diverged as well.

    Raises:
        CheckpointError: there is no sweep in the folder.
        ConfigError: an override of something else.
        InUse: the sweep, or a job of it, runs.
        Interrupted: a signal stopped it.
    """
    ledger = Ledger.open(folder)
    settings = changed_settings(ledger, overrides)
    with locked(folder):
        number = carry_out(ledger, remaining_jobs(ledger, settings, with_failed), settings)
    return conclude(ledger, number)


def remaining_jobs(ledger: Ledger, settings: SweepConfig, with_failed: bool) -> JobSource:
    """Return the jobs that have not ended, and those that failed if wanted.

    Raises:
        InUse: one of them runs.
    """
    records = [settled_record(ledger, number, settings) for number in ledger.expected()]
    states = (*UNFINISHED, *(FAILED if with_failed else ()))
    return JobList([job_of(ledger, record) for record in records if record.state in states], ledger.definition())


def changed_settings(ledger: Ledger, overrides: list[str], may: tuple[str, ...] = ()) -> SweepConfig:
    """Return how a sweep is to go on.

    Raises:
        ConfigError: an override of something else than that, or the keys that may change as well.
    """
    known = (*_MAY, *may)
    for override in overrides:
        if not override.lstrip("+").startswith(tuple(f"{key}{end}" for key in known for end in "=.")):
            raise ConfigError(
                f"{override}: the jobs of a sweep stay as they are", f"what may change: {', '.join(known)}"
            )
    sweep_overrides = [override for override in overrides if override.startswith("sweep.")]
    return compose.from_config({"sweep": ledger.definition().get("sweep", {})}, sweep_overrides).sweep


def job_of(ledger: Ledger, record: JobRecord) -> Job:
    """Return the job that a record is of.

    Raises:
        CheckpointError: there is a link in its run directory.
    """
    run = ledger.run(record)
    check_no_links(run.path, run.checkpoints)
    return Job(
        record.number,
        record.sweep_overrides,
        record.overrides,
        compose.from_config(record.config, []),
        run.path,
    )


def settled_record(ledger: Ledger, number: int, settings: SweepConfig) -> JobRecord:
    """Return a job's record, and write it anew from what its run directory says where it says running or is broken.

    Raises:
        InUse: the job runs.
    """
    record = ledger.record(number)
    if record is not None and record.state != "running":
        return record
    record = record or _recompose(ledger, number)
    run = ledger.run(record)
    if not outcome.has_ended(run, to_seconds(settings.grace, "sweep.grace")):
        raise InUse(f"{run.path} is running in process {record.pid}", "wait for it, or stop it")
    if run.path.is_dir():
        outcome.settle_record(record, run)
    else:
        record.state = "waiting"
    ledger.write(record)
    return record


def _recompose(ledger: Ledger, number: int) -> JobRecord:
    """Compose a job again, whose record is gone."""
    sweep_overrides, overrides = ledger.overrides(number)
    settled_record = sorted(ledger.folder.glob(f"{number}-*/config.yaml"))
    settings = (
        compose.from_config(RunDir(settled_record[0].parent).config(), [])
        if settled_record
        else compose.compose(overrides)
    )
    folder = settled_record[0].parent if settled_record else ledger.folder / f"{number}-again"
    return JobRecord.of(Job(number, sweep_overrides, overrides, settings, folder))
