"""A job that one of Hydra's own launchers runs, wherever: it keeps its row of the ledger itself."""

from __future__ import annotations

import os
import time

from fastrun import execute
from fastrun.errors import FastrunError, Interrupted
from fastrun.job import Job
from fastrun.rundir import RunDir
from fastrun.sweep import outcome
from fastrun.sweep.ledger import Ledger, is_sweep


def is_part(job: Job) -> bool:
    """Say whether a job is one of a sweep."""
    return is_sweep(job.folder.parent)


def run(job: Job) -> object:
    """Train, and note in the sweep's ledger how it ended; return the best value.

    Raises:
        Interrupted: a signal stopped it.
    """
    ledger, code = Ledger(job.folder.parent), 1
    row = ledger.add(job)
    row.state, row.attempts, row.started, row.pid = "running", row.attempts + 1, time.time(), os.getpid()
    ledger.write(row)
    try:
        execute.train(job.settings, job.folder, job.said)
        code = 0
    except FastrunError as error:
        print(error.show())
        code, row.error = error.exit_code, error.message
        if isinstance(error, Interrupted):
            raise
    finally:
        error_said = row.error
        outcome.close(row, RunDir(job.folder), code, None)
        row.error = error_said or row.error
        ledger.write(row)
    return (row.best or {}).get("value")
