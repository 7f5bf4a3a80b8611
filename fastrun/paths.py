"""Where fastrun's own conf/ and recipes/ are, and the user's, and what is kept between runs."""

from __future__ import annotations

import os
from pathlib import Path


def shipped(folder: str) -> Path:
    """Return the shipped ``conf`` or ``recipes``: inside the wheel where it is installed, else in the checkout."""
    package = Path(__file__).resolve().parent
    packed = package / "_assets" / folder
    return packed if packed.is_dir() else package.parent / folder


def roots(folder: str) -> list[Path]:
    """Return the places of ``conf`` or ``recipes``, the shipped one first, then the current folder's."""
    own = Path.cwd() / folder
    return [shipped(folder)] + ([own] if own.is_dir() and own.resolve() != shipped(folder) else [])


def cache() -> Path:
    """Return the folder of what can be made or downloaded again: ``$FASTRUN_CACHE``, else ``~/.cache/fastrun``."""
    own, shared = os.environ.get("FASTRUN_CACHE"), os.environ.get("XDG_CACHE_HOME")
    return Path(own or Path(shared or "~/.cache") / "fastrun").expanduser()


def shown(path: Path) -> str:
    """Return a path as the user would write it."""
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
