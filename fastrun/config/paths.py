"""Where conf/ and recipes/ are (fastrun's own and the user's), and where the cache is."""

from __future__ import annotations

import os
from pathlib import Path


def shipped(folder: str) -> Path:
    """Return the shipped ``conf`` or ``recipes``: inside the installed package, or at the root of a checkout."""
    package = Path(__file__).resolve().parent.parent
    packed = package / "_assets" / folder
    return packed if packed.is_dir() else package.parent / folder


def roots(folder: str) -> list[Path]:
    """Return every folder of the name ``conf`` or ``recipes``: the shipped one, then the one in the current folder."""
    own = Path.cwd() / folder
    if not own.is_dir() or own.resolve() == shipped(folder):
        return [shipped(folder)]
    return [shipped(folder), own]


def cache() -> Path:
    """Return the cache folder: ``$FASTRUN_CACHE``, or fastrun in ``$XDG_CACHE_HOME``, or ``~/.cache/fastrun``."""
    own = os.environ.get("FASTRUN_CACHE")
    if own:
        return Path(own).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "fastrun"


def display(path: Path) -> str:
    """Return a path for a message: relative where it lies in the current folder."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
