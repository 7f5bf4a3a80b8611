"""A device, or the host, that has no memory left: how it says so, and how much was taken."""

from __future__ import annotations

import gc

import torch

_WORDS = ("can't allocate memory", "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED")


def ran_out(error: BaseException) -> bool:
    """Say whether an error means that there is no memory left; on the CPU torch has no class of error for it."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(word in str(error) for word in _WORDS)


def peak() -> str:
    """Return the most that was taken of a GPU, in words, empty where there is none."""
    if not torch.cuda.is_available():
        return ""
    most, room = torch.cuda.max_memory_allocated(), torch.cuda.get_device_properties().total_memory
    return f", peak {most >> 20} of {room >> 20} MiB"


def release() -> None:
    """Give back what nothing refers to any more; modules and their trainer refer to each other."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
