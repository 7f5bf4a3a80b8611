"""Jobs that one of Hydra's own launchers runs: they are passed to it, and their ends are awaited."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress

from fastrun.storage.job import Job, JobRecord, JobSource, Launch
from fastrun.sweep import outcome
from fastrun.sweep.ledger import Ledger
from fastrun.system.process import Process

_STOP_SIGNALS = signal.SIGINT, signal.SIGTERM


def carry_out(ledger: Ledger, source: JobSource, launch: Launch, grace: float) -> int:
    """Run the jobs of a source with a launcher, and return the signal that stopped it, or 0.

    Jobs keep their records themselves. Where the launcher lost some, or was stopped, they have so many seconds to save.
    """
    number = 0
    while not number and (jobs := list(iter(source.next, None))):
        number = _launch_jobs(launch, jobs)
        records = [ledger.add(job) for job in jobs]
        for record in records if number else ():
            _stop(ledger, record)
        deadline = time.monotonic() + grace
        for record in records:
            source.ended(_final_record(ledger, record, deadline - time.monotonic()))
    return number


def _launch_jobs(launch: Launch, jobs: Sequence[Job]) -> int:
    try:
        with _interruptible():
            launch(jobs)
    except KeyboardInterrupt as stop:
        return int(stop.args[0]) if stop.args else signal.SIGINT
    except SystemExit:  # what Ray makes of a SIGTERM
        return signal.SIGTERM
    except Exception as error:
        why = next(iter(str(error).strip().splitlines()), "")
        print(f"the launcher ended with {type(error).__name__}: {why}")
    return 0


@contextmanager
def _interruptible() -> Iterator[None]:
    """Turn a signal into the one exception that all launchers let through, for the duration of a block."""

    def interrupt(number: int, frame: object) -> None:
        raise KeyboardInterrupt(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.signal(number, interrupt) for number in _STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _stop(ledger: Ledger, record: JobRecord) -> None:
    """Ask a job to save and end if it runs on this machine; jobs on other machines go on."""
    process = Process.of(ledger.run(record).read("status.json"))
    if record.state == "running" and process and process.is_here() and not process.is_gone():
        with suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGTERM)


def _final_record(ledger: Ledger, record: JobRecord, seconds: float) -> JobRecord:
    """Return a job's record, with its end, even if its worker could not write that any more."""
    has_ended = record.state != "running" or outcome.has_ended(ledger.run(record), seconds)
    record = ledger.record(record.number) or record  # as its worker wrote it meanwhile
    if record.state == "running" and has_ended:
        outcome.settle_record(record, ledger.run(record))
        ledger.write(record)
    return record
