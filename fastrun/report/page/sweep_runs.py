"""The runs of a sweep with what each was given and what came out, the best first."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from fastrun.redaction import redact_message, redact_override
from fastrun.report.page.series import Series, read_series
from fastrun.report.record import RunRecord, read_record
from fastrun.storage.job import JobRecord
from fastrun.sweep.ledger import Ledger

_MOST_STEPS = 1000  # whose training loss is read of each run: its curve is a mean of many


@dataclass(frozen=True)
class SweepRun:
    """A job of a sweep and its run.

    Attributes:
        number: the job's number.
        state: what the ledger says of it.
        error: why it ended, where it did not finish.
        values: what it was given, by key.
        record: the results of its run, which are empty where it never began.
        series: the training loss and the metric over the run.
    """

    number: int
    state: str
    error: str | None
    values: dict[str, str]
    record: RunRecord
    series: dict[str, Series]

    @property
    def described(self) -> str:
        """Return what it was given, as it is typed."""
        return " ".join(f"{key}={value}" for key, value in self.values.items()) or f"job {self.number}"


def read_runs(ledger: Ledger, records: Iterable[JobRecord]) -> list[SweepRun]:
    """Return the runs of a sweep, the best first and those without a result last."""
    runs = [_read(ledger, record) for record in records]
    return sorted(runs, key=lambda run: (run.record.best is None, _loss(run.record), run.number))


def _loss(record: RunRecord) -> float:
    """Return what is lowest for the best run."""
    return (record.best or 0.0) * (-1 if record.higher_is_better else 1)


def _read(ledger: Ledger, job: JobRecord) -> SweepRun:
    directory = ledger.run(job)
    record = read_record(directory.path, ledger.folder)
    names = None if record.metric is None else ["train/loss", record.metric]
    return SweepRun(
        number=job.number,
        state=job.state,
        error=redact_message(job.error) if job.error else None,
        values=dict(_split(redact_override(override)) for override in job.sweep_overrides),
        record=record,
        series=read_series(directory.metrics, names, _MOST_STEPS),
    )


def _split(override: str) -> tuple[str, str]:
    key, _, value = override.partition("=")
    return key.lstrip("+"), value
