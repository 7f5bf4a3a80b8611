"""The ledger of a sweep: a file that says what was asked for, and one a job that says what became of it.

Every file is replaced whole, so a sweep that is killed at any moment can be read and gone on with.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fastrun.durable import storage, write_atomic
from fastrun.errors import CheckpointError
from fastrun.job import Job, Row, Source
from fastrun.redaction import clean, shown
from fastrun.rundir import RunDir
from fastrun.settings import Sweep


class Ledger:
    """The ledger in a sweep's folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "ledger"

    @classmethod
    def create(cls, folder: Path, source: Source, sweep: Sweep) -> Ledger:
        """Begin a ledger, or go on with the one that is there.

        Raises:
            StorageError: the folder cannot be written.
        """
        ledger = cls(folder)
        with storage(folder):
            ledger.path.mkdir(parents=True, exist_ok=True)
        known = [{"own": job.own, "said": job.said} for job in source.known()]
        asked = source.asked | {"total": source.total, "sweep": asdict(sweep), "jobs": ledger._jobs() + known}
        write_atomic(folder / "sweep.json", json.dumps(shown(asked, clean), indent=2, default=str))
        return ledger

    @classmethod
    def open(cls, folder: Path) -> Ledger:
        """Open a ledger that exists.

        Raises:
            CheckpointError: there is no sweep in the folder.
        """
        if not is_sweep(folder):
            raise CheckpointError(f"{folder} is not a sweep", "`fastrun runs` lists the runs there are")
        return cls(folder)

    def asked(self) -> dict[str, Any]:
        """Return what sweep.json says; nothing where it is broken."""
        return RunDir(self.folder).read("sweep.json")

    def expected(self) -> range:
        """Return the numbers of the jobs that there are for certain."""
        return range(max([-1, *self.numbers(), len(self._jobs()) - 1]) + 1)

    def overrides(self, number: int) -> tuple[list[str], list[str]]:
        """Return a job's own overrides, and all of them, as sweep.json has them.

        Raises:
            CheckpointError: it has not.
        """
        try:
            job = self._jobs()[number]
            return list(job["own"]), list(job["said"])
        except (LookupError, TypeError) as error:
            raise CheckpointError(
                f"{self._file(number)} is broken", "start the sweep again: fastrun train …"
            ) from error

    def _jobs(self) -> list[dict[str, Any]]:
        return list(self.asked().get("jobs", ()))

    def write(self, row: Row) -> None:
        """Replace a job's row."""
        write_atomic(self._file(row.number), json.dumps(asdict(row), indent=2, default=str))

    def add(self, job: Job) -> Row:
        """Return the row of a job, a new one that waits if it has none."""
        row = self.row(job.number)
        if row is None:
            row = Row.of(job)
            self.write(row)
        return row

    def row(self, number: int) -> Row | None:
        """Return a job's row, or None where there is none or it is broken."""
        return Row.read(RunDir(self.path).read(self._file(number).name))

    def rows(self) -> list[Row]:
        """Return all rows that can be read, in order."""
        return [row for number in self.numbers() if (row := self.row(number)) is not None]

    def numbers(self) -> list[int]:
        """Return the numbers of all rows, the broken ones' too."""
        return sorted(int(file.stem) for file in self.path.glob("*.json") if file.stem.isdecimal())

    def run(self, row: Row) -> RunDir:
        """Return the directory of a job's run: below the sweep's folder, whatever a row says."""
        return RunDir(self.folder / Path(row.folder).name)

    def _file(self, number: int) -> Path:
        return self.path / f"{number:05d}.json"


def is_sweep(folder: Path) -> bool:
    """Say whether a folder is that of a sweep."""
    return (folder / "sweep.json").is_file() or (folder / "ledger").is_dir()
