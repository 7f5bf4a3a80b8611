"""The content of a checkpoint in a file: copied from the devices, written, described by a manifest, and read.

Nothing in a file is ever run: it holds tensors and plain values.
"""

from __future__ import annotations

from copy import copy
from pathlib import Path
from typing import Any, BinaryIO

import torch

from fastrun.errors import CheckpointError
from fastrun.storage.atomic import sha256_of, storage_errors, sync
from fastrun.storage.checkpoint.files import SavedCheckpoint
from fastrun.storage.checkpoint.state import CheckpointState
from fastrun.system.versions import computed_by

_TENSOR_OVERHEAD = 512  # bytes of a tensor's header and name in a file
_NUMBER_SIZE = 10  # bytes of a number in a file


def copy_to_host(value: Any) -> Any:
    """Return a deep copy of a checkpoint's content whose tensors are in the host's memory."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        copied = copy(value)  # of the same class, with the versions that a state dict has as an attribute
        copied.update((key, copy_to_host(inner)) for key, inner in value.items())
        return copied
    if type(value) in (list, tuple):
        return type(value)(map(copy_to_host, value))
    return value


def size_in_file(value: Any) -> int:
    """Return an upper estimate of a content's size in a file, in bytes."""
    if isinstance(value, torch.Tensor):
        return value.nbytes + _TENSOR_OVERHEAD
    if isinstance(value, dict):
        return sum(size_in_file(key) + size_in_file(inner) for key, inner in value.items())
    if isinstance(value, list | tuple):
        return sum(map(size_in_file, value))
    return _NUMBER_SIZE + (len(value) if isinstance(value, str) else 0)


def write(content: dict[str, Any], file: BinaryIO) -> None:
    """Write tensors and plain values into a file.

    Raises:
        OSError: the file cannot be written.
    """
    try:
        torch.save(content, file)
    except RuntimeError as error:
        if isinstance(error.__context__, OSError):
            raise error.__context__ from error
        raise


def describe(content: dict[str, Any], path: Path, sha256: str, size: int) -> None:
    """Sync the metrics up to a checkpoint's step, then write its manifest, which makes it count.

    Args:
        content: what the checkpoint holds.
        path: where it is.
        sha256: its hash.
        size: its size in bytes.

    Raises:
        StorageError: the metrics or the manifest cannot be written.
    """
    run = path.parent.parent
    if (run / "metrics.jsonl").exists():
        sync(run / "metrics.jsonl")
    state = CheckpointState.of(content)
    with storage_errors(path):
        config = run / "config.yaml"
        config_sha256 = sha256_of(config) if config.is_file() else None
    step, metrics = state.train_state["step"], state.metrics
    SavedCheckpoint(path, step, sha256, size, metrics, config_sha256, computed_by()).write_manifest()


def read(path: Path) -> dict[str, Any]:
    """Read a file onto the CPU, tensors and plain values only.

    Raises:
        CheckpointError: there is no such file, it is damaged, or it is not a checkpoint that this version reads.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} does not exist") from error
    except Exception as error:  # torch raises many kinds of errors for damaged files
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{path} cannot be read: {reason}") from error
    CheckpointState.of(content, str(path))
    return dict(content)
