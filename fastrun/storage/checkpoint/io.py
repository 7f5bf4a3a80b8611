"""Writing and reading checkpoints.

A checkpoint is written atomically and then described by a manifest. Only then it counts. Training waits until the state
is copied; a thread writes the copy while the next steps run.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from pytorch_lightning.plugins.io import CheckpointIO

from fastrun.storage.atomic import check_free_space, replace, storage_errors
from fastrun.storage.checkpoint.content import copy_to_host, describe, size_in_file, write
from fastrun.storage.checkpoint.files import remove_checkpoint
from fastrun.storage.checkpoint.load import load

RESERVE = 1 << 16  # bytes for the manifest and for lines of metrics


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
        check_free_space(Path(path), size_in_file(checkpoint) + RESERVE)
        self.submit(_save, copy_to_host(checkpoint), Path(path), storage_options)

    def submit(self, save: Callable[..., None], *args: Any) -> None:
        """Let the thread write."""
        self._pending = self._writer.submit(save, *args)

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


def _save(checkpoint: dict[str, Any], path: Path, then: Callable[[], None] | None) -> None:
    """Write the file, then its manifest."""
    sha256 = replace(path, partial(write, checkpoint))
    with storage_errors(path):
        size = path.stat().st_size
    describe(checkpoint, path, sha256, size)
    if then is not None:
        then()
