"""By what name a tracker knows a run: kept in the run's directory, so that one that resumes goes on in the same run."""

from __future__ import annotations

import json
from pathlib import Path

from fastrun.storage.atomic import write_atomic
from fastrun.storage.run_dir import RunDir

_FILE = "logger.json"


def known_as(folder: Path, tracker: str) -> str | None:
    """Return the run's name in a tracker, or None where it has none yet."""
    return RunDir(folder).read(_FILE).get(tracker)


def remember(folder: Path, tracker: str, identity: str) -> None:
    """Keep the run's name in a tracker."""
    known = RunDir(folder).read(_FILE) | {tracker: identity}
    write_atomic(folder / _FILE, json.dumps(known, indent=2))
