"""The identifier that a tracker gave a run, saved in the run directory: a resumed run logs to the same one."""

from __future__ import annotations

import json
from pathlib import Path

from fastrun.config.names import is_plain
from fastrun.storage.atomic import write_atomic
from fastrun.storage.run_dir import RunDir

_FILE = "logger.json"


def saved_id(folder: Path, tracker: str) -> str | None:
    """Return the identifier of a run in a tracker.

    Args:
        folder: the run directory.
        tracker: the name of the tracker.

    Returns:
        The identifier, or None for a new run.
    """
    identity = RunDir(folder).read(_FILE).get(tracker)
    return identity if is_plain(identity) else None  # a tracker may take it for a path


def save_id(folder: Path, tracker: str, identity: str) -> None:
    """Save the identifier of a run in a tracker.

    Args:
        folder: the run directory.
        tracker: the name of the tracker.
        identity: the identifier.
    """
    identities = RunDir(folder).read(_FILE) | {tracker: identity}
    write_atomic(folder / _FILE, json.dumps(identities, indent=2))
