"""Leaves the process as it was before a search: its random numbers, and what torch was told of kernels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from fastrun.errors import OutOfMemory
from fastrun.system import memory
from fastrun.system.seed import seeded


@contextmanager
def isolated(deterministic: bool) -> Iterator[None]:
    """Restore the random generators and torch's settings after a block, and say what to do where memory runs out.

    Args:
        deterministic: let torch use only deterministic kernels within the block.

    Raises:
        OutOfMemory: the block ran out of memory.
    """
    gpus = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    before = torch.are_deterministic_algorithms_enabled()
    precision, tf32 = torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    benchmark, threads = torch.backends.cudnn.benchmark, torch.get_num_threads()
    try:
        with torch.random.fork_rng(gpus), seeded("find"):
            torch.use_deterministic_algorithms(deterministic or before)
            yield
    except (MemoryError, RuntimeError) as error:
        if not memory.is_out_of_memory(error):
            raise
        hint = "a smaller batch.size, or a larger batch.accumulate, which changes no result"
        raise OutOfMemory(f"out of memory{memory.describe_peak()}", hint) from error
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(before)
        torch.set_float32_matmul_precision(precision)
        torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = tf32, benchmark
