"""fastrun trains a network faster with the well-known heuristics, and proves which of them did it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastrun.execute import Run
    from fastrun.job import Job, Row

__version__ = "0.1.0"


def train(overrides: Sequence[str] = (), quiet: bool = False) -> Run:
    """Train as ``fastrun train …`` does and return the run.

    Args:
        overrides: what would stand on the command line, such as ``["+recipe=resnet_amp", "epochs=3"]``.
        quiet: print nothing.

    Raises:
        fastrun.errors.FastrunError: whatever the command line would end with; it knows its exit code and a hint.
    """
    from fastrun import execute, hydra_app, redaction, trust
    from fastrun.errors import UsageError

    runs: list[Run] = []

    def job(job: Job) -> None:
        runs.append(execute.train(job.settings, job.folder, job.said, quiet))

    def sweep(*_: object) -> list[Row]:
        raise UsageError("fastrun.train makes one run", "for a sweep use `fastrun train … -m`")

    given, names = trust.taken(overrides)
    redaction.learn_overrides(given)
    with trust.granted(names):
        hydra_app.run(given, job, sweep)
    return runs[0]
