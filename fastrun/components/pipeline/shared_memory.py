"""Batches that worker processes hand over in shared memory, where there is room for them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

from torch.utils.data import get_worker_info

from fastrun.components.pipeline.structure import tensors_of
from fastrun.errors import StorageError
from fastrun.system import free_space
from fastrun.system.free_space import format_mebibytes

Parts = TypeVar("Parts")


@dataclass(frozen=True)
class NoRoom:
    """What a worker hands over in place of a batch that has no room: torch would print a traceback, and wait.

    Attributes:
        needed: the bytes of a batch for each worker.
        free: the bytes that are free.
    """

    needed: int
    free: int

    def error(self) -> StorageError:
        """Return the error that says so."""
        needed, free = format_mebibytes(self.needed), format_mebibytes(self.free)
        return StorageError(
            f"the worker processes need {needed} of shared memory for a batch each, and /dev/shm has {free}",
            "give a container more (docker run --shm-size=8g), or set pipeline=plain, or a smaller batch.size",
        )


def with_room(batch: Parts) -> Parts | NoRoom:
    """Return a batch if the shared memory has room for it, and for one of each other worker; any outside a worker."""
    worker, room = get_worker_info(), free_space.shared_memory()
    if worker is None or room is None:
        return batch
    size = sum(tensor.nbytes for tensor in tensors_of(batch))
    total, free = room
    return NoRoom(size * worker.num_workers, free) if size > free or size * worker.num_workers > total else batch
