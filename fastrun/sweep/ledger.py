"""The ledger of a sweep: a file with its definition, and a file for each job with the record of how it ended.

Every file is replaced whole, so a sweep that is killed at any moment can be read and gone on with.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastrun.config.settings import SweepConfig
from fastrun.errors import CheckpointError
from fastrun.redaction import redact, redact_message
from fastrun.storage.atomic import storage_errors, write_atomic
from fastrun.storage.format import FORMAT, check_format
from fastrun.storage.job import Job, JobRecord, JobSource
from fastrun.storage.links import check_no_links
from fastrun.storage.run_dir import RunDir
from fastrun.storage.stored_arguments import are_run_overrides

_START_AGAIN = "start the sweep again: fastrun train …"


class Ledger:
    """The ledger in a sweep's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "ledger"

    @classmethod
    def create(cls, folder: Path, source: JobSource, sweep: SweepConfig) -> Ledger:
        """Begin a ledger, or go on with the one that is there.

        Raises:
            StorageError: the folder cannot be written.
        """
        ledger = cls(folder)
        with storage_errors(folder):
            ledger.path.mkdir(parents=True, exist_ok=True)
        known = [{"sweep_overrides": job.sweep_overrides, "overrides": job.overrides} for job in source.known_jobs()]
        known = ledger._jobs() + known
        definition = source.definition | {"total": source.total, "sweep": asdict(sweep), "jobs": known}
        definition = {"format": FORMAT} | definition
        write_atomic(folder / "sweep.json", json.dumps(redact(definition, redact_message), indent=2, default=str))
        return ledger

    @classmethod
    def open(cls, folder: Path) -> Ledger:
        """Open a ledger that exists.

        Raises:
            CheckpointError: there is no sweep in the folder, or one of another format, or one with links or with
                arguments that no sweep of ours has.
        """
        if not is_sweep(folder):
            raise CheckpointError(f"{folder} is not a sweep", "`fastrun runs` lists the runs there are")
        check_no_links(folder, folder / "ledger")
        ledger = cls(folder)
        definition = ledger.definition()
        if not are_run_overrides(definition.get("arguments", [])):
            raise CheckpointError(f"{folder / 'sweep.json'} says more than values of a run", _START_AGAIN)
        if definition:  # if it is broken, the records replace it
            command = "fastrun train -m " + " ".join(definition.get("arguments", []))
            hint = f"go on with the version of fastrun that wrote it, or sweep again: {command}"
            check_format(definition.get("format"), str(folder), hint)
        return ledger

    def definition(self) -> dict[str, Any]:
        """Return what sweep.json says; nothing where it is broken."""
        return RunDir(self.folder).read("sweep.json")

    def expected(self) -> range:
        """Return the numbers of all jobs that are known: those with a record, and those in sweep.json."""
        return range(max([-1, *self.numbers(), len(self._jobs()) - 1]) + 1)

    def overrides(self, number: int) -> tuple[list[str], list[str]]:
        """Return a job's own overrides, and all of them, as sweep.json has them.

        Raises:
            CheckpointError: sweep.json does not have them.
        """
        jobs = self._jobs()
        job = jobs[number] if number < len(jobs) and isinstance(jobs[number], dict) else {}
        sweep_overrides, overrides = job.get("sweep_overrides"), job.get("overrides")
        if not (are_run_overrides(sweep_overrides) and are_run_overrides(overrides)):
            raise CheckpointError(f"{self._file(number)} is broken", _START_AGAIN)
        return sweep_overrides, overrides

    def _jobs(self) -> list[Any]:
        jobs = self.definition().get("jobs")
        return jobs if isinstance(jobs, list) else []

    def write(self, record: JobRecord) -> None:
        """Write a job's record in place of the one before."""
        write_atomic(self._file(record.number), json.dumps(asdict(record), indent=2, default=str))

    def add(self, job: Job) -> JobRecord:
        """Return the record of a job, a new one that waits if it has none."""
        record = self.record(job.number)
        if record is None:
            record = JobRecord.of(job)
            self.write(record)
        return record

    def record(self, number: int) -> JobRecord | None:
        """Return a job's record, or None where there is none or it is broken."""
        record = JobRecord.read(RunDir(self.path).read(self._file(number).name))
        return record if record is not None and record.number == number else None

    def records(self) -> list[JobRecord]:
        """Return all records that can be read, in order."""
        return [record for number in self.numbers() if (record := self.record(number)) is not None]

    def numbers(self) -> list[int]:
        """Return the numbers of all records, the broken ones' too."""
        return sorted(int(file.stem) for file in self.path.glob("*.json") if file.stem.isdecimal())

    def run(self, record: JobRecord) -> RunDir:
        """Return the directory of a job's run, which lies directly in the sweep's folder."""
        return RunDir(self.folder / record.folder)

    def _file(self, number: int) -> Path:
        return self.path / f"{number:05d}.json"


def is_sweep(folder: Path) -> bool:
    """Say whether a folder is that of a sweep."""
    return (folder / "sweep.json").is_file() or (folder / "ledger").is_dir()
