"""Checkpoints that survive: each is written durably, then described by a manifest, and only then counts.

Training waits for the copy of the state only; a thread writes it while the next steps run.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

import torch
from pytorch_lightning.plugins.io import CheckpointIO

import fastrun
from fastrun.durable import check_room, remove, replace, sha256_of, storage, sync, write_atomic
from fastrun.errors import CheckpointError

_RECORD, _PLAIN = 512, 10  # bytes in a file: of a tensor's header and name, of a number
_SPARE = 1 << 16  # bytes beyond it: for the manifest and for lines of metrics


class DurableCheckpointIO(CheckpointIO):
    """A crash or a full disk at any moment leaves the checkpoints that were there, and the new one whole or absent."""

    def __init__(self) -> None:
        self._writer = ThreadPoolExecutor(1, "checkpoint")
        self._pending: Future[None] | None = None

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Callable[[], None] | None = None
    ) -> None:
        """Copy the state and have it written; first wait for the one before, and look whether there is room.

        Args:
            checkpoint: tensors and plain values.
            path: the file; its manifest gets the same name, ending in ``.json``.
            storage_options: called once the checkpoint is there.

        Raises:
            StorageError: the one before could not be written, or the disk has no room for this one.
        """
        self.wait()
        check_room(Path(path), _size(checkpoint) + _SPARE)
        self._pending = self._writer.submit(_save, _copied(checkpoint), Path(path), storage_options)

    def wait(self) -> None:
        """Return when the last checkpoint is there.

        Raises:
            StorageError: it could not be written.
        """
        pending, self._pending = self._pending, None
        if pending is not None:
            pending.result()

    def poll(self) -> None:
        """Say at once what is known to have gone wrong with the last checkpoint; wait for nothing.

        Raises:
            StorageError: it could not be written.
        """
        if self._pending is not None and self._pending.done():
            self.wait()

    def teardown(self) -> None:
        """End the thread, the last checkpoint written.

        Raises:
            StorageError: it could not be.
        """
        self._writer.shutdown()
        self.wait()

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read tensors and plain values; anything else in the file is refused.

        Raises:
            CheckpointError: the file is missing, damaged, or holds something that would have to be run.
        """
        return load(Path(path))

    def remove_checkpoint(self, path: Any) -> None:
        """Remove a checkpoint and its manifest."""
        remove(Path(path).with_suffix(".json"))
        remove(Path(path))


def _copied(value: Any) -> Any:
    """Return a checkpoint's content with every tensor copied to the host's memory, and every container anew."""
    if isinstance(value, torch.Tensor):
        return value.detach().to("cpu", copy=True)
    if isinstance(value, dict):
        copied = copy(value)  # of its own kind, with the versions that a state dict carries as an attribute
        copied.update((key, _copied(inner)) for key, inner in value.items())
        return copied
    if type(value) in (list, tuple):
        return type(value)(map(_copied, value))
    return value


def _size(value: Any) -> int:
    """Return about how many bytes a file of the content takes, rather too many than too few."""
    if isinstance(value, torch.Tensor):
        return value.nbytes + _RECORD
    if isinstance(value, dict):
        return sum(_size(key) + _size(inner) for key, inner in value.items())
    if isinstance(value, list | tuple):
        return sum(map(_size, value))
    return _PLAIN + (len(value) if isinstance(value, str) else 0)


def _save(checkpoint: dict[str, Any], path: Path, then: Callable[[], None] | None) -> None:
    """Write the file, have the metrics up to its step on the disk, then write the manifest, by which it counts."""
    sha256 = replace(path, partial(_write, checkpoint))
    run = path.parent.parent
    if (run / "metrics.jsonl").exists():
        sync(run / "metrics.jsonl")
    with storage(path):
        manifest = _manifest(checkpoint, path, sha256, run / "config.yaml")
    write_atomic(path.with_suffix(".json"), json.dumps(manifest, indent=2))
    if then is not None:
        then()


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint onto the CPU, tensors and plain values only."""
    try:
        found = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} does not exist") from error
    except Exception as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise CheckpointError(f"{path} cannot be read: {reason}") from error
    if not isinstance(found, dict) or "fastrun" not in found:
        raise CheckpointError(f"{path} is not a checkpoint of fastrun")
    return found


def _write(checkpoint: dict[str, Any], file: BinaryIO) -> None:
    try:
        torch.save(checkpoint, file)
    except RuntimeError as error:
        if isinstance(error.__context__, OSError):
            raise error.__context__ from error
        raise


def _manifest(checkpoint: dict[str, Any], file: Path, sha256: str, config: Path) -> dict[str, Any]:
    state = checkpoint.get("fastrun", {})
    return {
        "step": state.get("tally", {}).get("step", 0),
        "sha256": sha256,
        "size": file.stat().st_size,
        "metrics": state.get("measured", {}),
        "config_sha256": sha256_of(config) if config.is_file() else None,
        "versions": {"fastrun": fastrun.__version__, "torch": torch.__version__},
    }
