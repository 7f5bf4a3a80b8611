"""Finding the run directories below a folder, with as few calls of the system as that takes."""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path

from fastrun.report.location import is_study, sweep_of

_SKIPPED = {"checkpoints", "ledger"}  # folders in which no run lies


@dataclass(frozen=True)
class RunPath:
    """A directory that holds a run.

    Attributes:
        path: the directory.
        sweep: the folder of the sweep or study that it belongs to.
        config: the state of its config.yaml.
    """

    path: str
    sweep: Path | None
    config: os.stat_result


@dataclass
class Scan:
    """What was found below a folder.

    Attributes:
        runs: the run directories.
        unreadable: folders that cannot be read.
    """

    runs: list[RunPath] = field(default_factory=list)
    unreadable: list[Path] = field(default_factory=list)


def scan(folder: Path) -> Scan:
    """Find the run directories below a folder, the folder itself among them.

    Links are not followed, nor are hidden folders entered, nor those of a run: no other run lies in one.
    """
    found = Scan()
    config = _config_of(str(folder), found)
    if config is not None:
        found.runs.append(RunPath(str(folder), sweep_of(folder), config))
    folders = [(str(folder), folder.parent if is_study(folder.parent) else None)]
    while folders:
        folders += _look_into(*folders.pop(), found)
    return found


def _look_into(folder: str, sweep: Path | None, found: Scan) -> list[tuple[str, Path | None]]:
    """Add the runs that lie directly in a folder to what was found.

    Returns:
        The folders in it that hold no run, each with the sweep or study that it belongs to.
    """
    try:
        with os.scandir(folder) as listed:
            entries = list(listed)
    except OSError:
        found.unreadable.append(Path(folder))
        return []
    names = {entry.name for entry in entries}
    if names & {"study.json", "race.json", "plan.json"} or (sweep is None and names & {"sweep.json", "ledger"}):
        sweep = Path(folder)
    others: list[tuple[str, Path | None]] = []
    for entry in entries:
        if entry.name in _SKIPPED or entry.name.startswith(".") or not entry.is_dir(follow_symlinks=False):
            continue
        config = _config_of(entry.path, found)
        if config is not None:
            found.runs.append(RunPath(entry.path, sweep, config))
        else:
            others.append((entry.path, sweep))
    return others


def _config_of(folder: str, found: Scan) -> os.stat_result | None:
    """Return the state of a folder's config.yaml; None if it holds none."""
    try:
        config = os.stat(f"{folder}/config.yaml")  # noqa: PTH116 (faster than pathlib)
    except PermissionError:
        found.unreadable.append(Path(folder))
        return None
    except OSError:
        return None
    return config if stat.S_ISREG(config.st_mode) else None
