"""Freed memory, which glibc can keep for the next step instead of returning it to the system."""

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
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, 1 << 30) and mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1))
