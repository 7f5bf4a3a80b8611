"""Which run or sweep is to be watched: the one that is named, or the latest that runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from fastrun.errors import UsageError
from fastrun.report.find_run import OUTPUTS, find_run
from fastrun.report.index import records
from fastrun.report.location import is_study
from fastrun.report.record import RunRecord
from fastrun.sweep.ledger import is_sweep


def find_subject(word: str | None) -> Path:
    """Return the directory of a run, or the folder of a sweep.

    Args:
        word: a run, a sweep, a study or another folder that has runs; None for the output folder.

    Raises:
        UsageError: there is no run, or the word names none or several.
    """
    path = OUTPUTS if word is None else find_run(word, takes_sweeps=True)
    path = _folder_of_sweep(path)
    if (path / "config.yaml").is_file() or is_sweep(path):
        return path
    found = records(path) if path.is_dir() else []
    if not found:
        raise UsageError(f"no runs in {path}", "`fastrun train` starts one")
    latest = _newest(found)
    return _folder_of_sweep(latest.sweep or latest.path)


def _folder_of_sweep(path: Path) -> Path:
    """Return the folder that has the ledger, which is within that of a study; another path as it is."""
    return path / "runs" if is_study(path) else path


def _newest(found: Sequence[RunRecord]) -> RunRecord:
    """Return the run that was started last of those that run, or of all where none does."""
    running = [record for record in found if record.status == "running"]
    return max(running or found, key=lambda record: record.started)
