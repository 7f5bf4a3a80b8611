"""A job of a command line: a single run, or a job of a sweep that one of Hydra's own launchers runs on any machine.

The latter writes its record in the ledger itself.
"""

from __future__ import annotations

from dataclasses import replace

from fastrun.errors import FastrunError
from fastrun.storage.job import Job, JobList, JobRecord
from fastrun.sweep import outcome
from fastrun.sweep.ledger import Ledger, is_sweep
from fastrun.sweep.resume import job_of
from fastrun.sweep.runner import carry_out
from fastrun.system.clock import process_start
from fastrun.system.place import find_place


def run_job(job: Job) -> object:
    """Run a single run, or a job of a sweep in a process that another launcher has started.

    Where it has started several processes for the job, the first one notes what becomes of it; the others take part.
    """
    from fastrun.run import runner

    place, of_sweep = find_place(), is_sweep_job(job)
    if of_sweep and (place is None or place.rank == 0):
        return run(job)
    return runner.train(job.settings, job.folder, job.overrides, started=process_start(), keeps_refused=of_sweep)


def is_sweep_job(job: Job) -> bool:
    """Say whether a job is one of a sweep."""
    return is_sweep(job.folder.parent)


def run(job: Job) -> object:
    """Run the job in a process forked for it, record here how that ended, and return the best value.

    What has finished is not run again: launchers may try a job twice whose worker they lost.
    """
    ledger = Ledger(job.folder.parent)
    record = ledger.record(int(job.folder.name.partition("-")[0])) or ledger.add(job)
    if record.state != "finished":
        record = _supervise(ledger, record, job)
    return (record.best or {}).get("value")


def _supervise(ledger: Ledger, record: JobRecord, job: Job) -> JobRecord:
    try:
        job = replace(job, number=record.number, sweep_overrides=record.sweep_overrides, overrides=record.overrides)
        if JobRecord.of(job).config_sha256 != record.config_sha256:  # one of its files changed while it waited
            job = job_of(ledger, record)
        carry_out(ledger, JobList([job]), job.settings.sweep, quiet=True)
    except FastrunError as error:
        record.state, record.exit_code, record.error = "failed", error.exit_code, error.message
        ledger.write(record)
    finally:  # a launcher may break off what runs, as submitit does when the time is over; the job has saved then
        record = ledger.record(record.number) or record
        if record.state == "running":
            outcome.settle_record(record, ledger.run(record))
            ledger.write(record)
    return record
