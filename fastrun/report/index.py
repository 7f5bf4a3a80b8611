"""The records of all runs below a folder."""

from __future__ import annotations

from pathlib import Path

from fastrun.report.record import RunRecord, read_record
from fastrun.report.scan import scan


def records(folder: Path) -> list[RunRecord]:
    """Return the records of the runs below a folder, the newest last."""
    found = [read_record(Path(run.path), run.sweep) for run in scan(folder).runs]
    return sorted(found, key=lambda record: (record.started, record.path))
