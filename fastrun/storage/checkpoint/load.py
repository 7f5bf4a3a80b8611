"""Reading a checkpoint, whether it is a file or a folder of parts."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastrun.storage.checkpoint.content import read
from fastrun.storage.checkpoint.files import is_in_parts

if TYPE_CHECKING:
    from torch.distributed.tensor import DTensor

    from fastrun.storage.checkpoint.parts import Keys


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU, tensors and plain values only. Tensors are whole.

    Raises:
        CheckpointError: there is no such checkpoint, it is damaged, or not one that this version reads.
    """
    return load_parts(path, lambda _: None)


def load_parts(path: Path, like: Callable[[Keys], DTensor | None]) -> dict[str, Any]:
    """Read a checkpoint, of which this process may need a part only.

    Args:
        path: the checkpoint. From a file, all tensors are read whole.
        like: returns the DTensor that a tensor is to be divided like, for the keys that lead to it; None for one that
            is needed whole.

    Raises:
        CheckpointError: there is no such checkpoint, it is damaged, or not one that this version reads.
    """
    if not is_in_parts(path):
        return read(path)
    from fastrun.storage.checkpoint.parts import read_parts

    return read_parts(path, like)


def load_small(path: Path) -> dict[str, Any]:
    """Read a checkpoint without the tensors that are divided, if there are such.

    Raises:
        CheckpointError: there is no such checkpoint, it is damaged, or not one that this version reads.
    """
    if not is_in_parts(path):
        return read(path)
    from fastrun.storage.checkpoint.parts import read_rest

    return read_rest(path)
