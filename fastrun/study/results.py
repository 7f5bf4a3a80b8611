"""What became of the runs of a study, read from the ledger and the run directories alone."""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from fastrun.config.settings import SweepConfig
from fastrun.redaction import redact_override
from fastrun.storage.job import JobRecord
from fastrun.storage.run_dir import RunDir
from fastrun.study.request import Request
from fastrun.sweep.ledger import Ledger
from fastrun.sweep.resume import settled_record

_MOST_ATTEMPTS = 2  # at a run that fails, or that is killed: what a full disk or memory did may be over by then

FINISHED, DIVERGED, FAILED = "finished", "diverged", "failed"


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        state: ``finished``, ``diverged``, or ``failed`` for every other end.
        best: the best value of its metric; None where it measured none.
        metric: that metric; None where it is not known.
        error: its error in a line; None where it finished.
        seconds: from its start to its end, start-up included.
        path: its run directory.
    """

    state: str
    best: float | None
    metric: str | None
    error: str | None
    seconds: float
    path: Path

    @cached_property
    def summary(self) -> dict[str, Any]:
        """Return the content of its summary.json."""
        return RunDir(self.path).read("summary.json")

    @property
    def steps(self) -> int:
        """Return its optimizer steps."""
        return int(self.summary["steps"])

    @property
    def steps_per_epoch(self) -> float:
        """Return the optimizer steps of an epoch."""
        return self.steps / max(1e-9, float(self.summary["epochs"]))

    @property
    def seconds_per_step(self) -> float:
        """Return the seconds of training for each step, in which those of its first steps are."""
        clock = self.summary["clock"]
        return float(clock["train"] + clock["data_wait"]) / max(1, self.steps)

    def value(self, higher_is_better: bool) -> float:
        """Return the best value of the metric; of a run that has none, because it diverged, the worst there is."""
        if self.state == FINISHED and self.best is not None and math.isfinite(self.best):
            return self.best
        return -math.inf if higher_is_better else math.inf

    def losses(self) -> list[tuple[int, float | None, float | None]]:
        """Return the step, the training loss and the validation loss of every line of its metrics.jsonl."""
        return [(line["step"], line.get("train/loss"), line.get("val/loss")) for line in RunDir(self.path).lines()]


@dataclass
class Results:
    """The ends of all runs of a study so far, by their requests.

    Attributes:
        folder: the folder of the runs.
        numbers: the job of each request that was ever started.
        outcomes: how it ended, of those that need not be started again.
        deaths: how often a job was killed while this process ran.
    """

    folder: Path
    numbers: dict[tuple[str, ...], int] = field(default_factory=dict)
    outcomes: dict[tuple[str, ...], Outcome] = field(default_factory=dict)
    deaths: Counter[int] = field(default_factory=Counter)

    def read(self, ledger: Ledger, sweep: SweepConfig, *, forgets_failures: bool = False) -> float:
        """Take note of the jobs of earlier attempts, and return the seconds that all of them took together.

        Args:
            ledger: the ledger of the runs.
            sweep: how long a job may take to end.
            forgets_failures: whether those that failed are to be tried again.

        Raises:
            InUse: one of them runs.
        """
        records = [settled_record(ledger, number, sweep) for number in ledger.expected()]
        for record in records:
            self.add(record, forgets_failures=forgets_failures)
        return sum(record.seconds for record in records)

    def add(self, record: JobRecord, *, is_live: bool = False, forgets_failures: bool = False) -> None:
        """Take note of how a job ended, or that it has to go on.

        Args:
            record: the job.
            forgets_failures: whether one that failed is to be tried again.
            is_live: whether it ended under the eyes of this process. One that is killed then may be too large for the
                machine, and is not started for ever; one that was killed along with an earlier process just goes on.
        """
        label = tuple(record.sweep_overrides)
        self.numbers[label] = record.number
        self.deaths[record.number] += is_live and record.state == "killed"
        is_over = {
            "finished": True,
            "diverged": True,
            "timeout": True,
            "failed": record.attempts >= _MOST_ATTEMPTS,
            "killed": self.deaths[record.number] >= _MOST_ATTEMPTS,
        }
        is_failure = record.state in ("failed", "timeout")
        if not is_over.get(record.state, False) or (is_failure and forgets_failures):
            return
        best = record.best or {}
        value = best.get("value")
        self.outcomes[label] = Outcome(
            record.state if record.state in (FINISHED, DIVERGED) else FAILED,
            float(value) if isinstance(value, (int, float)) else None,
            best.get("metric"),
            record.error,
            record.seconds,
            self.folder / record.folder,
        )

    def of(self, request: Request) -> Outcome | None:
        """Return how a run ended; None where it has not."""
        return self.outcomes.get(_key(request))

    def number_of(self, request: Request) -> int | None:
        """Return the job of a request that was started before."""
        return self.numbers.get(_key(request))

    def take_note(self, request: Request, number: int) -> None:
        """Take note that a request is a job now."""
        self.numbers[_key(request)] = number

    @property
    def next_number(self) -> int:
        """Return the number of the next new job."""
        return max(self.numbers.values(), default=-1) + 1

    def failed_arms(self) -> Mapping[str, str]:
        """Return the arms that a run failed of, other than by diverging, each with the error."""
        return dict(self._failures())

    def _failures(self) -> Iterator[tuple[str, str]]:
        for label, outcome in self.outcomes.items():
            if outcome.state == FAILED:
                yield label[0].removeprefix("arm="), outcome.error or "it failed"


@functools.lru_cache(maxsize=1 << 16)  # asked for thousands of times, and slow to redact
def _key(request: Request) -> tuple[str, ...]:
    return tuple(map(redact_override, request.label))
