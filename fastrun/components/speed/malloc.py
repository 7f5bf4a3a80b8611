"""Freed memory, which glibc can keep for the next step, or return to the system."""

from __future__ import annotations

import ctypes

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h


def keep_freed_memory() -> bool:
    """Make glibc keep freed memory.

    By default glibc returns each block of 32 MB or more to the system, which has to clear it again for the next step.
    With large batches, this takes longer than the network itself. Source: mallopt(3); PyTorch's tuning guide for CPUs.

    Returns:
        True if glibc does; False without glibc, since only it has ``mallopt``.
    """
    return _set(mapped=1 << 30, trimmed=(1 << 31) - 1)


def return_freed_memory() -> bool:
    """Make glibc return each freed block of a megabyte or more to the system.

    By default it keeps what is smaller than the largest block that was ever freed. Where the weights of one block of a
    network after the other are put together and freed, what it keeps is more than what is in use.

    Returns:
        True if glibc does; False without glibc.
    """
    return _set(mapped=1 << 20, trimmed=1 << 20)


def _set(mapped: int, trimmed: int) -> bool:
    """Set the bytes from which on a block is returned when it is freed, and those that may stay free in the heap."""
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, mapped) and mallopt(_M_TRIM_THRESHOLD, trimmed))
