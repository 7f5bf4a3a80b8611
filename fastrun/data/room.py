"""How much room there is for decoded images."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

_SHARE = 4  # a part of what is free that may be taken without being asked for: one of so many
_GROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")  # a container's limit
_UNKNOWN = 4 << 30  # where the system does not tell


def too_large(needed: int, folder: Path) -> str | None:
    """Return why so many bytes should not be taken unasked, in memory and in a folder; None where they may."""
    for free, where in ((free_memory(), "memory"), (free_disk(folder), f"disk at {folder}")):
        if needed * _SHARE > free:
            return f"they take {mebibytes(needed)}, more than a quarter of the {mebibytes(free)} of free {where}"
    return None


def fits_memory(needed: int) -> bool:
    """Say whether so many bytes may be taken of the memory unasked."""
    return needed * _SHARE <= free_memory()


def free_memory() -> int:
    """Return the bytes of memory that this process may still take."""
    limits = [int(text) for text in map(_text, map(Path, _GROUPS)) if text.strip().isdigit()]
    lines = dict(line.split(":") for line in _text(Path("/proc/meminfo")).splitlines() if line.count(":") == 1)
    if "MemAvailable" in lines:
        return min([int(lines["MemAvailable"].split()[0]) << 10, *limits])
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return min([os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), *limits])
    return _UNKNOWN


def free_disk(folder: Path) -> int:
    """Return the bytes free where a folder is or would be."""
    there = next(place for place in (folder, *folder.absolute().parents) if place.is_dir())
    return shutil.disk_usage(there).free


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def mebibytes(size: int) -> str:
    """Return bytes as text."""
    return f"{size / 2**20:,.1f} MiB"
