"""Jobs that one of Hydra's own launchers runs: handed over, and waited for."""

from __future__ import annotations

import time
from collections.abc import Sequence

from fastrun import signals
from fastrun.job import Job, Launch, Source
from fastrun.sweep import outcome
from fastrun.sweep.ledger import Ledger


def carry_out(ledger: Ledger, source: Source, launch: Launch, grace: float) -> int:
    """Have the jobs of a source run elsewhere; return the signal that asked to stop, or 0.

    Jobs keep their rows themselves. Where the launcher lost some, they have so many seconds to save and end.
    """
    number = 0
    while not number and (jobs := list(iter(source.next, None))):
        number = _launched(launch, jobs)
        deadline = time.monotonic() + grace
        for job in jobs:
            row = ledger.add(job)
            if row.state == "running" and outcome.has_ended(ledger.run(row), deadline - time.monotonic()):
                outcome.settle(row, ledger.run(row))
                ledger.write(row)
            source.ended(row)
    return number


def _launched(launch: Launch, jobs: Sequence[Job]) -> int:
    with signals.listening():
        try:
            signals.release()
            launch(jobs)
        except (signals.Stopped, KeyboardInterrupt):
            return signals.number()
        except Exception as error:
            why = next(iter(str(error).strip().splitlines()), "")
            print(f"the launcher ended with {type(error).__name__}: {why}")
    return 0
