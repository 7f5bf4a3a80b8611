"""A job that one of Hydra's own launchers runs, wherever: it keeps its row of the ledger itself."""

from __future__ import annotations

from dataclasses import replace

from fastrun.errors import FastrunError
from fastrun.job import Job, Listed, Row
from fastrun.sweep import outcome
from fastrun.sweep.ledger import Ledger, is_sweep
from fastrun.sweep.resume import job_of
from fastrun.sweep.run import carry_out


def is_part(job: Job) -> bool:
    """Say whether a job is one of a sweep."""
    return is_sweep(job.folder.parent)


def run(job: Job) -> object:
    """Run the job in a process forked for it, whose end, whatever it is, is noted here; return the best value.

    What has finished is not run again: launchers may try a job twice whose worker they lost.
    """
    ledger = Ledger(job.folder.parent)
    row = ledger.row(int(job.folder.name.partition("-")[0])) or ledger.add(job)
    if row.state != "finished":
        row = _supervised(ledger, row, job)
    return (row.best or {}).get("value")


def _supervised(ledger: Ledger, row: Row, job: Job) -> Row:
    try:
        whole = replace(job, number=row.number, own=row.own, said=row.said)
        if Row.of(whole).config_sha256 != row.config_sha256:  # a file of it has changed while it waited for its turn
            whole = job_of(ledger, row)
        carry_out(ledger, Listed([whole]), whole.settings.sweep, quiet=True)
    except FastrunError as error:
        row.state, row.exit_code, row.error = "failed", error.exit_code, error.message
        ledger.write(row)
    finally:  # a launcher may break off what runs, as submitit does when the time is over; the job has saved then
        row = ledger.row(row.number) or row
        if row.state == "running":
            outcome.settle(row, ledger.run(row))
            ledger.write(row)
    return row
