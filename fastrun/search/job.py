"""The jobs of a sweep as plain data: what each one is, where they come from, what became of it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Protocol

from fastrun.config.settings import Settings, SweepConfig
from fastrun.redaction import redact, redact_override

STATES = (
    "waiting", "running", "finished", "failed", "diverged", "interrupted", "killed", "timeout", "pruned"
)  # fmt: skip
UNFINISHED = ("waiting", "running", "interrupted", "killed", "timeout")  # what `fastrun resume SWEEP` runs
FAILED = ("failed", "diverged")  # what it runs with --failed as well


@dataclass(frozen=True)
class Job:
    """One run, composed whole, not yet run.

    Attributes:
        number: its place in the sweep, from 0.
        sweep_overrides: the overrides that tell it from the others, in the order of the command line.
        overrides: all overrides, as its run's overrides.yaml holds them.
        settings: the composed config.
        folder: its run directory, directly below that of the sweep.
    """

    number: int
    sweep_overrides: list[str]
    overrides: list[str]
    settings: Settings = field(repr=False)
    folder: Path

    def sha256(self) -> str:
        """Return the hash of the composed config, without where it goes and how the sweep runs it."""
        return sha256_of(asdict(self.settings))


def sha256_of(config: dict[str, Any]) -> str:
    """Return the hash of a composed config, without where it goes and how a sweep runs it."""
    own = {key: value for key, value in config.items() if key not in ("outputs", "sweep")}
    return hashlib.sha256(json.dumps(own, sort_keys=True, default=str).encode()).hexdigest()


@dataclass
class JobRecord:
    """A job in the ledger of its sweep: what it is and what became of it."""

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
        """Return the record of a job that waits, without secrets."""
        config = redact(asdict(job.settings))
        own, all_said = (
            [redact_override(one) for one in overrides] for overrides in (job.sweep_overrides, job.overrides)
        )
        return cls(job.number, own, all_said, config, sha256_of(config), job.folder.name)

    @classmethod
    def read(cls, content: Any) -> JobRecord | None:
        """Return the record that a JSON object is, or None where it is none."""
        known = {entry.name for entry in fields(cls)}
        if not isinstance(content, dict) or content.get("state") not in STATES:
            return None
        try:
            record = cls(**{key: value for key, value in content.items() if key in known})
        except TypeError:
            return None
        is_whole = isinstance(record.number, int) and isinstance(record.folder, str) and isinstance(record.config, dict)
        return record if is_whole and sha256_of(record.config) == record.config_sha256 else None


class JobSource(Protocol):
    """Where jobs come from: a list, or a search that learns from results.

    Attributes:
        total: how many there will be.
        asked: what the sweep's sweep.json says of it, ``kind`` among it: enough to make it again.
        done: no job will come any more.
    """

    total: int
    definition: dict[str, Any]

    @property
    def done(self) -> bool: ...  # noqa: D102

    def known_jobs(self) -> Sequence[Job]:
        """Return the jobs that are certain before the first one ran."""
        ...

    def next(self) -> Job | None:
        """Return a job to start, or None: not before another one ended, or none any more."""
        ...

    def measured(self, job: Job, step: int, metrics: dict[str, float]) -> bool:
        """Take note of a validation of a running job; True: stop it, others do better."""
        ...

    def ended(self, record: JobRecord) -> None:
        """Take note of how a job ended."""
        ...


class JobList:
    """Jobs one after another, whatever comes of them."""

    def __init__(self, jobs: Sequence[Job], definition: dict[str, Any] | None = None) -> None:
        self.jobs, self._at = list(jobs), 0
        self.total = len(self.jobs)
        self.definition = {"kind": "list"} | (definition or {})

    @property
    def done(self) -> bool:
        """Say whether all have been handed out."""
        return self._at == self.total

    def known_jobs(self) -> Sequence[Job]:
        """Return all of them."""
        return self.jobs

    def next(self) -> Job | None:
        """Return the next one."""
        if self.done:
            return None
        self._at += 1
        return self.jobs[self._at - 1]

    def measured(self, job: Job, step: int, metrics: dict[str, float]) -> bool:
        """Let it go on."""
        return False

    def ended(self, record: JobRecord) -> None:
        """Learn nothing from it."""


Launch = Callable[[Sequence[Job]], None]  # has jobs run elsewhere, by one of Hydra's launchers; returns when they ended


# runs the jobs of a source, their directories and their ledger in a folder, and returns the ledger; by Launch where a
# launcher of Hydra's was asked for
Sweeping = Callable[[Path, JobSource, SweepConfig, Launch | None], list[JobRecord]]
