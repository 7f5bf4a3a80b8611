"""A job that one of Hydra's own launchers runs, wherever: it keeps its record of the ledger itself."""

from __future__ import annotations

from dataclasses import replace

from fastrun.errors import FastrunError
from fastrun.search.job import Job, JobList, JobRecord
from fastrun.sweep import outcome
from fastrun.sweep.ledger import Ledger, is_sweep
from fastrun.sweep.resume import job_of
from fastrun.sweep.runner import carry_out


def is_part(job: Job) -> bool:
    """Say whether a job is one of a sweep."""
    return is_sweep(job.folder.parent)


def run(job: Job) -> object:
    """Run the job in a process forked for it, whose end, whatever it is, is noted here; return the best value.

    What has finished is not run again: launchers may try a job twice whose worker they lost.
    """
    ledger = Ledger(job.folder.parent)
    record = ledger.record(int(job.folder.name.partition("-")[0])) or ledger.add(job)
    if record.state != "finished":
        record = _supervised(ledger, record, job)
    return (record.best or {}).get("value")


def _supervised(ledger: Ledger, record: JobRecord, job: Job) -> JobRecord:
    try:
        whole = replace(job, number=record.number, sweep_overrides=record.sweep_overrides, overrides=record.overrides)
        if (
            JobRecord.of(whole).config_sha256 != record.config_sha256
        ):  # a file of it has changed while it waited for its turn
            whole = job_of(ledger, record)
        carry_out(ledger, JobList([whole]), whole.settings.sweep, quiet=True)
    except FastrunError as error:
        record.state, record.exit_code, record.error = "failed", error.exit_code, error.message
        ledger.write(record)
    finally:  # a launcher may break off what runs, as submitit does when the time is over; the job has saved then
        record = ledger.record(record.number) or record
        if record.state == "running":
            outcome.settle_record(record, ledger.run(record))
            ledger.write(record)
    return record
