"""The jobs of a sweep, the sources that they come from, and the records of their results, as plain data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol

from fastrun.config.names import is_plain
from fastrun.config.ray import RayConfig
from fastrun.config.settings import Settings, SweepConfig
from fastrun.redaction import redact, redact_override
from fastrun.storage.stored_arguments import are_run_overrides

STATES = (
    "waiting", "running", "finished", "failed", "diverged", "interrupted", "killed", "timeout", "pruned"
)  # fmt: skip
UNFINISHED = ("waiting", "running", "interrupted", "killed", "timeout")  # what `fastrun resume SWEEP` runs
FAILED = ("failed", "diverged")  # what it runs with --failed as well


@dataclass(frozen=True)
class Job:
    """A run that is composed and not started.

    Attributes:
        number: its place in the sweep, from 0.
        sweep_overrides: the overrides that tell it from the others, in the order of the command line.
        overrides: all overrides, as its run's overrides.yaml holds them.
        settings: the composed config.
        folder: its run directory, directly below that of the sweep.
        is_alone: whether its seconds are measured: on the machine of the sweep, with no other job beside it.
    """

    number: int
    sweep_overrides: list[str]
    overrides: list[str]
    settings: Settings = field(repr=False)
    folder: Path
    is_alone: bool = False

    def sha256(self) -> str:
        """Return the hash of the composed config without the output folder and the sweep settings."""
        return sha256_of(asdict(self.settings))


def sha256_of(config: dict[str, Any]) -> str:
    """Return the hash of a composed config without the output folder and the sweep settings."""
    hashed = {key: value for key, value in config.items() if key not in ("outputs", "sweep")}
    return hashlib.sha256(json.dumps(hashed, sort_keys=True, default=str).encode()).hexdigest()


@dataclass
class JobRecord:
    """The record of a job in the ledger of its sweep."""

    number: int
    sweep_overrides: list[str]
    overrides: list[str]
    config: dict[str, Any]  # composed
    config_sha256: str  # of that
    folder: str  # the name of its run directory
    state: str = "waiting"
    exit_code: int | None = None  # 128 and the signal's number, if a signal ended it
    error: str | None = None
    attempts: int = 0
    best: dict[str, Any] | None = None  # metric, value, step
    seconds: float = 0.0  # all attempts together, start-up included
    started: float | None = None  # of the last attempt, since the epoch
    ended: float | None = None
    pid: int | None = None

    @classmethod
    def of(cls, job: Job) -> JobRecord:
        """Return the record of a waiting job, without secrets."""
        config = redact(asdict(job.settings))
        sweep_overrides = [redact_override(override) for override in job.sweep_overrides]
        overrides = [redact_override(override) for override in job.overrides]
        return cls(job.number, sweep_overrides, overrides, config, sha256_of(config), job.folder.name)

    @classmethod
    def read(cls, content: Any) -> JobRecord | None:
        """Return the record that a JSON object describes; None if it describes no record."""
        known = {entry.name for entry in fields(cls)}
        if not isinstance(content, dict) or content.get("state") not in STATES:
            return None
        try:
            record = cls(**{key: value for key, value in content.items() if key in known})
        except TypeError:
            return None
        return record if record._is_valid() and sha256_of(record.config) == record.config_sha256 else None

    def _is_valid(self) -> bool:
        """Say whether the record can be one that a sweep wrote: with a folder of its own and plain overrides."""
        has_own_folder = (
            type(self.number) is int and is_plain(self.folder) and self.folder.startswith(f"{self.number}-")
        )
        return (
            has_own_folder
            and isinstance(self.config, dict)
            and all(map(are_run_overrides, (self.sweep_overrides, self.overrides)))
        )


class JobSource(Protocol):
    """A source of jobs: a list, or a search that depends on results.

    Attributes:
        total: the number of jobs.
        definition: the description of the source in sweep.json, including ``kind``; sufficient to create it again.
        done: whether all jobs have been returned.
    """

    total: int
    definition: dict[str, Any]

    @property
    def done(self) -> bool: ...  # noqa: D102

    def known_jobs(self) -> Sequence[Job]:
        """Return the jobs that do not depend on results."""
        ...

    def next(self) -> Job | None:
        """Return the next job; None if there is none, or none before another job has ended."""
        ...

    def measured(self, job: Job, step: int, metrics: dict[str, float]) -> bool:
        """Record a validation of a running job, and return whether to stop the job because others are better."""
        ...

    def ended(self, record: JobRecord) -> None:
        """Record how a job ended."""
        ...


class JobList:
    """A list of jobs, which does not depend on results."""

    def __init__(self, jobs: Sequence[Job], definition: dict[str, Any] | None = None) -> None:
        self.jobs, self._at = list(jobs), 0
        self.total = len(self.jobs)
        self.definition = {"kind": "list"} | (definition or {})

    @property
    def done(self) -> bool:
        """Say whether all jobs have been returned."""
        return self._at == self.total

    def known_jobs(self) -> Sequence[Job]:
        """Return all jobs of the list, none of which depends on results."""
        return self.jobs

    def next(self) -> Job | None:
        """Return the next job; None after the last one."""
        if self.done:
            return None
        self._at += 1
        return self.jobs[self._at - 1]

    def measured(self, job: Job, step: int, metrics: dict[str, float]) -> bool:
        """Return False: no job of a list is stopped early."""
        return False

    def ended(self, record: JobRecord) -> None:
        """Do nothing: the jobs of a list do not depend on results."""


Launch = Callable[[Sequence[Job]], None]  # runs jobs that write their records themselves, and returns when all ended
Launching = Launch | RayConfig  # or the Ray to run them on


# runs the jobs of a source, their directories and their ledger in a folder, and returns the ledger; in processes of
# this machine where nothing else was asked for
Sweeping = Callable[[Path, JobSource, SweepConfig, Launching | None], list[JobRecord]]
