"""What starts, stops and reaps the jobs of a sweep: a process on this machine, or slots on Ray."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol


class JobServer(Protocol):
    """The supervisor's view of whatever runs jobs.

    Attributes:
        ready: whether jobs can be started.
    """

    ready: bool

    def room(self, jobs: int | None) -> int:
        """Return how many jobs may run at a time, where ``sweep.jobs`` is so many, or open."""
        ...

    def start(
        self,
        job: int,
        folder: Path,
        settings: dict[str, Any],
        overrides: list[str],
        grace: float,
        *,
        is_alone: bool = False,
        **share: Any,
    ) -> None:
        """Request the start of a job."""
        ...

    def stop(self, job: int, number: signal.Signals) -> None:
        """Request that a signal is sent to a job."""
        ...

    def receive(self, seconds: float) -> Iterator[dict[str, Any]]:
        """Yield what happened, and wait for it for a limited time.

        A message has one of the keys ``gpus`` with their number; ``started`` with a job, its ``pid``, and ``again``
        where it was started anew; ``ended`` with a job, its ``code``, and an ``error`` where only the server knows it;
        or ``say`` with a line for the user.
        """
        ...

    def close(self) -> None:
        """End all jobs, which save a checkpoint first, and the server."""
        ...
