"""fastrun trains a network faster with the well-known heuristics, and proves which of them did it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastrun.run.runner import Run
    from fastrun.search.job import Job, JobRecord

__version__ = "0.1.0"


def train(overrides: Sequence[str] = (), quiet: bool = False) -> Run:
    """Train as ``fastrun train …`` does and return the run.

    Args:
        overrides: what would stand on the command line, such as ``["+recipe=resnet_amp", "epochs=3"]``.
        quiet: print nothing.

    Raises:
        fastrun.errors.FastrunError: whatever the command line would end with; it knows its exit code and a hint.
    """
    from fastrun import compose, redaction
    from fastrun.config import trust
    from fastrun.errors import UsageError
    from fastrun.run import runner

    started = time.time()
    runs: list[Run] = []

    def job(job: Job) -> None:
        runs.append(runner.train(job.settings, job.folder, job.overrides, started=started, quiet=quiet))

    def sweep(*_: object) -> list[JobRecord]:
        raise UsageError("fastrun.train makes one run", "for a sweep use `fastrun train … -m`")

    given, names = trust.split_trust(overrides)
    redaction.learn_overrides(given)
    with trust.grant(names):
        compose.run(given, job, sweep)
    return runs[0]
