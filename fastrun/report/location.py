"""What the place of a run directory says: its name, its short id, and the sweep or study that it belongs to."""

from __future__ import annotations

import re
from pathlib import Path

from fastrun.sweep.ledger import is_sweep

_STAMP = re.compile(r"(?:sweep-|study-|race-)?\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d-([0-9a-f]{4,})")
_NUMBER = re.compile(r"(\d+)-")


def name_of(path: Path, sweep: Path | None) -> str:
    """Return the name of a run: that of the folder that holds it, or its sweep or study.

    Args:
        path: the run directory.
        sweep: the folder of the sweep or study that it belongs to.
    """
    folder = (sweep or path).parent
    return folder.name or folder.absolute().name


def short_id(path: Path, sweep: Path | None = None) -> str:
    """Return a short name: the last characters of the directory's name, which are random, or all of another name.

    Args:
        path: the directory of a run, or the folder of a sweep or study.
        sweep: the folder of the sweep or study that a run belongs to; its jobs are named as ``767f/3``.
    """
    stamp, number = _STAMP.fullmatch(path.name), _NUMBER.match(path.name)
    if sweep is not None and number:
        return f"{short_id(sweep)}/{number[1]}"
    return stamp[1] if stamp else path.name


def sweep_of(path: Path) -> Path | None:
    """Return the folder of the sweep or study that a run directory belongs to, or None."""
    folder = path.parent
    if is_study(folder.parent):
        return folder.parent
    return folder if is_sweep(folder) else None


def is_study(folder: Path) -> bool:
    """Say whether a folder is that of a study, which a race is, too."""
    return (folder / "study.json").is_file() or (folder / "plan.json").is_file() or is_race(folder)


def is_race(folder: Path) -> bool:
    """Say whether a folder is that of a race."""
    return (folder / "race.json").is_file()
