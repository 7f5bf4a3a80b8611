"""Writing and reading checkpoints.

A checkpoint is written atomically and then described by a manifest. Only then it counts. Training waits until the state
is copied; a thread writes the copy while the next steps run.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import torch
from pytorch_lightning.plugins.io import CheckpointIO

from fastrun.errors import CheckpointError
from fastrun.storage.atomic import check_free_space, replace, sha256_of, storage_errors, sync
from fastrun.storage.checkpoint.files import SavedCheckpoint, remove_checkpoint
from fastrun.storage.checkpoint.state import CheckpointState
from fastrun.system.versions import computed_by

_TENSOR_OVERHEAD = 512  # bytes of a tensor's header and name in a file
_NUMBER_SIZE = 10  # bytes of a number in a file
_RESERVE = 1 << 16  # bytes for the manifest and for lines of metrics


class AtomicCheckpointIO(CheckpointIO):
    """Lightning's interface to checkpoints. After a crash or on a full disk, the new one is whole or absent."""

    def __init__(self) -> None:
        self._writer = ThreadPoolExecutor(1, "checkpoint")
        self._pending: Future[None] | None = None

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Callable[[], None] | None = None
    ) -> None:
        """Copy a checkpoint and let the thread write it, once the one before is written and if there is room.

        Args:
            checkpoint: tensors and plain values.
            path: the file; its manifest gets the same name, ending in ``.json``.
            storage_options: a function, called in the thread once the checkpoint is there.

        Raises:
            StorageError: the one before could not be written, or the disk has no room for this one.
        """
        self.wait()
        check_free_space(Path(path), _size(checkpoint) + _RESERVE)
        self._pending = self._writer.submit(_save, _copy(checkpoint), Path(path), storage_options)

    def wait(self) -> None:
        """Wait until the last checkpoint is written.

        Raises:
            StorageError: it could not be written.
        """
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def poll(self) -> None:
        """Raise the error of the last checkpoint if it has failed by now. This does not wait.

        Raises:
            StorageError: it could not be written.
        """
        if self._pending is not None and self._pending.done():
            self.wait()

    def teardown(self) -> None:
        """Wait until the last checkpoint is written, and end the thread.

        Raises:
            StorageError: it could not be written.
        """
        self._writer.shutdown()
        self.wait()

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read tensors and plain values. A file that holds anything else is refused.

        Raises:
            CheckpointError: the file is missing or damaged, holds something that would have to be run, or is no
                checkpoint that this version reads.
        """
        return load(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        """Remove a checkpoint and its manifest."""
        remove_checkpoint(Path(path))


def _copy(value: Any) -> Any:
    """Return a deep copy of a checkpoint's content whose tensors are in the host's memory."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        copied = copy(value)  # of the same class, with the versions that a state dict has as an attribute
        copied.update((key, _copy(inner)) for key, inner in value.items())
        return copied
    if type(value) in (list, tuple):
        return type(value)(map(_copy, value))
    return value


def _size(value: Any) -> int:
    """Return an upper estimate of a content's size in a file, in bytes."""
    if isinstance(value, torch.Tensor):
        return value.nbytes + _TENSOR_OVERHEAD
    if isinstance(value, dict):
        return sum(_size(key) + _size(inner) for key, inner in value.items())
    if isinstance(value, list | tuple):
        return sum(map(_size, value))
    return _NUMBER_SIZE + (len(value) if isinstance(value, str) else 0)


def _save(checkpoint: dict[str, Any], path: Path, then: Callable[[], None] | None) -> None:
    """Write the file, sync the metrics up to its step, then write the manifest, which makes it count."""
    sha256 = replace(path, partial(_write, checkpoint))
    run = path.parent.parent
    if (run / "metrics.jsonl").exists():
        sync(run / "metrics.jsonl")
    state = CheckpointState.of(checkpoint)
    with storage_errors(path):
        size, config = path.stat().st_size, run / "config.yaml"
        config_sha256 = sha256_of(config) if config.is_file() else None
    saved = SavedCheckpoint(path, state.train_state["step"], sha256, size, state.metrics, config_sha256, computed_by())
    saved.write_manifest()
    if then is not None:
        then()


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU, tensors and plain values only.

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


def _write(checkpoint: dict[str, Any], file: BinaryIO) -> None:
    try:
        torch.save(checkpoint, file)
    except RuntimeError as error:
        if isinstance(error.__context__, OSError):
            raise error.__context__ from error
        raise
