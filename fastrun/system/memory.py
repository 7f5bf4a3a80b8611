"""Memory, of a device or of the host: the peak, recognizing the error when it runs out, and giving it back."""

from __future__ import annotations

import gc
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from fastrun.errors import OutOfMemory
from fastrun.system.free_space import format_mebibytes

_MESSAGES = ("can't allocate memory", "CUDA error: out of memory", "CUBLAS_STATUS_ALLOC_FAILED")


def is_out_of_memory(error: BaseException) -> bool:
    """Say whether an error means that no memory is left. On the CPU torch has no class for such an error."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return isinstance(error, RuntimeError) and any(message in str(error) for message in _MESSAGES)


@contextmanager
def evaluating(size: int) -> Iterator[None]:
    """Name the batch of an evaluation if memory runs out in a block, since a training's batch is not to blame then.

    Args:
        size: the samples of a batch.

    Raises:
        OutOfMemory: no memory is left.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        hint = f"try batch.eval_size={size // 2}, which changes no result" if size > 1 else "try a smaller model"
        message = f"out of memory in an evaluation with batch.eval_size={size}{describe_peak()}"
        raise OutOfMemory(message, hint, size) from error


def peak_memory() -> int:
    """Return the most bytes of the host's memory that this process has held so far, without its children."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def peak_of_device(device: torch.device) -> int | None:
    """Return the most bytes that tensors have taken on a GPU since :func:`release_unused`; None for the CPU."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else None


def describe_peak() -> str:
    """Return the peak of a GPU's memory as the end of a message; an empty text where there is no GPU."""
    if not torch.cuda.is_available():
        return ""
    peak, total = torch.cuda.max_memory_allocated(), torch.cuda.get_device_properties().total_memory
    return f", peak {format_mebibytes(peak)} of {format_mebibytes(total)}"


def release_unused() -> None:
    """Give back memory that nothing refers to any more. Modules and their trainer refer to each other, hence ``gc``."""
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
