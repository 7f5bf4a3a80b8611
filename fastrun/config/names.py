"""Names of runs and of their directories."""

from __future__ import annotations

import secrets
import time
from pathlib import Path
from typing import Any

from fastrun.errors import ConfigError

_FORBIDDEN = set('/\\:*?"<>|\0\n')
_MOST_CHARACTERS, _MOST_BYTES = 100, 255


def stamp() -> str:
    """Return the current time and four random hex digits, ``YYYY-mm-dd_HH-MM-SS-xxxx``: a unique directory name."""
    return f"{time.strftime('%Y-%m-%d_%H-%M-%S')}-{secrets.token_hex(2)}"


def check_name(name: str) -> str:
    """Return a run's name if a folder can have it.

    Raises:
        ConfigError: the name is empty, hidden or too long, or would lead out of the output folder.
    """
    is_long = len(name) > _MOST_CHARACTERS or len(name.encode()) > _MOST_BYTES
    if not name or name.startswith(".") or set(name) & _FORBIDDEN or is_long:
        raise ConfigError(f"name={name} cannot be a folder", "use letters, digits, '_' and '-'")
    return name


def is_plain(name: Any) -> bool:
    """Say whether what a file gives as a name names something directly in a folder: no path, no ``..``."""
    return isinstance(name, str) and name not in ("", ".", "..") and "\0" not in name and Path(name).name == name
