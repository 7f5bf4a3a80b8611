"""How much memory and disk is free, and how much of it fastrun may take where the user has not asked for it."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from fastrun.system import proc

_SHARE = 4  # a fourth of what is free may be taken where the user has not asked for it
_GROUPS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")  # a container's limit
_SHARED = Path("/dev/shm")
_UNKNOWN = 4 << 30  # where the system does not say


def why_too_large(needed: int, folder: Path) -> str | None:
    """Return why data should not be copied into memory and a folder unless the user asks for it.

    Args:
        needed: the bytes of the copy.
        folder: where its file would be.

    Returns:
        The reason, or None where at most a fourth of what is free is needed.
    """
    for free, where in ((free_memory(), "memory"), (free_disk(folder), f"disk at {folder}")):
        if needed * _SHARE > free:
            size, available = format_mebibytes(needed), format_mebibytes(free)
            return f"they take {size}, more than a quarter of the {available} of free {where}"
    return None


def fits_memory(needed: int) -> bool:
    """Say whether at most a fourth of the free memory is needed for a number of bytes."""
    return needed * _SHARE <= free_memory()


def free_memory() -> int:
    """Return the bytes of memory that this process may still take."""
    limits = [int(text) for text in map(proc.read, _GROUPS) if text.strip().isdigit()]
    available = proc.fields("/proc/meminfo").get("MemAvailable")
    if available:
        return min([int(available.split()[0]) << 10, *limits])
    if hasattr(os, "sysconf") and "SC_PHYS_PAGES" in os.sysconf_names:
        return min([os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"), *limits])
    return _UNKNOWN


def free_disk(folder: Path) -> int:
    """Return the bytes free where a folder is or would be."""
    there = next(parent for parent in (folder, *folder.absolute().parents) if parent.is_dir())
    return shutil.disk_usage(there).free


def shared_memory() -> tuple[int, int] | None:
    """Return the bytes of shared memory that there are, and those free; None where it is no file system."""
    usage = shutil.disk_usage(_SHARED) if _SHARED.is_dir() else None
    return (usage.total, usage.free) if usage else None


def format_mebibytes(size: int) -> str:
    """Return a number of bytes as text in MiB."""
    return f"{size / 2**20:,.1f} MiB"
