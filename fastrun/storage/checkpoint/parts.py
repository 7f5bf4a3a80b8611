"""Checkpoints in parts: each process writes the parts of tensors that it has.

Such a checkpoint is a folder: ``state.pt`` with everything that is not divided, written by the first process, and a
file of safetensors for each process with its parts of the rest. PyTorch's distributed checkpoints decide who writes
what, and put parts together for any other number of processes. Nothing in the files is ever run.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, distributed
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.tensor import DTensor

from fastrun.errors import CheckpointError, StorageError
from fastrun.storage.atomic import replace, storage_errors, sync
from fastrun.storage.checkpoint.content import copy_to_host, describe, read, size_in_file, write
from fastrun.storage.checkpoint.files import STATE, digest, remove_checkpoint, size_on_disk

Keys = tuple[Any, ...]  # those that lead to a tensor in nested content

_DIVIDED = "divided"  # the key of the keys that lead to the tensors that are in other files


class Parts:
    """A copy of what this process has of a checkpoint, in the memory of the host.

    Args:
        content: tensors and plain values; a tensor that is divided is a DTensor.
        mesh: all processes, as those of CPUs.

    Attributes:
        size: the bytes that its files need.
    """

    def __init__(self, content: dict[str, Any], mesh: DeviceMesh) -> None:
        divided = dict(_divided(content, ()))
        self._rest = copy_to_host(_without(content)) | {
            _DIVIDED: [[list(keys), list(part.shape)] for keys, part in divided.items()]
        }
        self._parts = {_name(keys): _on_host(part, mesh) for keys, part in divided.items()}
        self.size = size_in_file(self._rest) + sum(size_in_file(part.to_local()) for part in self._parts.values())

    def save(self, path: Path, group: distributed.ProcessGroup, then: Callable[[], None] | None) -> None:
        """Write the parts; in the first process also the rest, and the manifest, which makes the checkpoint count.

        Args:
            path: the folder.
            group: the processes.
            then: called in the first process once the checkpoint is there.

        Raises:
            StorageError: a process cannot write.
        """
        from torch.distributed.checkpoint.api import CheckpointException
        from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageWriter
        from torch.distributed.checkpoint.state_dict_saver import save

        is_first = group.rank() == 0
        if is_first:
            remove_checkpoint(path)  # what a process that died has left
        distributed.barrier(group)
        writer = HuggingFaceStorageWriter(str(path), save_distributed=True)
        try:
            save(dict(self._parts), storage_writer=writer, process_group=group)
        except CheckpointException as error:
            reasons = "; ".join(f"process {rank}: {failure[0]}" for rank, failure in error.failures.items())
            raise StorageError(f"cannot write {path}: {reasons}", "what was saved before is unchanged") from error
        if not is_first:
            return
        replace(path / STATE, partial(write, self._rest))
        sync(path)
        with storage_errors(path):
            sha256, size = digest(path), size_on_disk(path)
        describe(self._rest, path, sha256, size)
        if then is not None:
            then()


def read_rest(path: Path) -> dict[str, Any]:
    """Read what is not divided of a checkpoint: everything but large tensors.

    Raises:
        CheckpointError: it is damaged.
    """
    return _read_rest(path)[0]


def read_parts(path: Path, like: Callable[[Keys], DTensor | None]) -> dict[str, Any]:
    """Read a checkpoint, of which this process may need a part only.

    Args:
        path: the folder.
        like: returns the DTensor that a tensor is to be divided like, for the keys that lead to it; None for one that
            is needed whole.

    Returns:
        The content, with a DTensor for each tensor that is needed in parts.

    Raises:
        CheckpointError: it is damaged.
    """
    from torch.distributed.checkpoint.api import CheckpointException
    from torch.distributed.checkpoint.hf_storage import HuggingFaceStorageReader
    from torch.distributed.checkpoint.state_dict_loader import load

    content, divided = _read_rest(path)
    try:
        reader = HuggingFaceStorageReader(str(path))
        saved = reader.read_metadata().state_dict_metadata
        targets = {keys: _room_for(saved[_name(keys)], shape, like(keys)) for keys, shape in divided.items()}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "torch.distributed is disabled")  # each process reads what it needs
            load({_name(keys): tensor for keys, tensor in targets.items()}, storage_reader=reader, no_dist=True)
    except (CheckpointException, Exception) as error:  # for damaged files there are many kinds of errors
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{path} cannot be read: {reason}", "use another checkpoint") from error
    for keys, tensor in targets.items():
        _put(content, keys, tensor)
    return content


def _room_for(saved: Any, shape: list[int], like: DTensor | None) -> Tensor:
    """Return a tensor to read a saved one into, whole or divided.

    Raises:
        ValueError: the files do not hold all of it.
    """
    if sum(prod(chunk.sizes) for chunk in saved.chunks) != prod(shape):
        raise ValueError("a file is missing")
    dtype = saved.properties.dtype
    if like is None:
        return torch.empty(shape, dtype=dtype)
    return torch.empty_like(like, dtype=dtype, requires_grad=False)


def _read_rest(path: Path) -> tuple[dict[str, Any], dict[Keys, list[int]]]:
    content = read(path / STATE)
    return content, {tuple(keys): shape for keys, shape in content.pop(_DIVIDED, [])}


def _divided(value: Any, keys: Keys) -> Iterator[tuple[Keys, DTensor]]:
    """Yield the DTensors in nested content with the keys that lead to each."""
    if isinstance(value, DTensor):
        yield keys, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _divided(inner, (*keys, key))
    elif isinstance(value, list | tuple):
        for index, inner in enumerate(value):
            yield from _divided(inner, (*keys, index))


def _without(value: Any) -> Any:
    """Return nested content with None in place of each DTensor."""
    if isinstance(value, DTensor):
        return None
    if isinstance(value, Mapping):
        return {key: _without(inner) for key, inner in value.items()}
    if type(value) in (list, tuple):
        return type(value)(map(_without, value))
    return value


def _put(content: Any, keys: Keys, value: Tensor) -> None:
    *ahead, last = keys
    for key in ahead:
        content = content[key]
    content[last] = value


def _name(keys: Keys) -> str:
    return "/".join(map(str, keys))


def _on_host(tensor: DTensor, mesh: DeviceMesh) -> DTensor:
    """Return a copy in the memory of the host; a mesh of GPUs would take it back to them."""
    local, shape, stride = tensor.to_local().detach().to("cpu", copy=True), tensor.shape, tensor.stride()
    return DTensor.from_local(local, mesh, tensor.placements, run_check=False, shape=shape, stride=stride)
