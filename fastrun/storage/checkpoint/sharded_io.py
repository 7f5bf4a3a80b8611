"""Checkpoints that several processes write together, while they train on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import distributed
from torch.distributed.device_mesh import init_device_mesh

from fastrun.storage.atomic import check_free_space
from fastrun.storage.checkpoint.io import RESERVE, AtomicCheckpointIO
from fastrun.storage.checkpoint.parts import Parts


class ShardedCheckpointIO(AtomicCheckpointIO):
    """Lightning's interface to checkpoints in parts."""

    def __init__(self) -> None:
        super().__init__()
        group = distributed.new_group(backend="gloo")  # beside the one of the training, which goes on meanwhile
        assert isinstance(group, distributed.ProcessGroup)
        self._group, self._mesh = group, init_device_mesh("cpu", (group.size(),))

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Callable[[], None] | None = None
    ) -> None:
        """Copy this process's parts and let a thread write them, once the checkpoint before is written.

        Args:
            checkpoint: tensors and plain values; a tensor that is divided is a DTensor.
            path: the folder; its manifest gets the same name, ending in ``.json``.
            storage_options: a function, called in the first process's thread once the checkpoint is there.

        Raises:
            StorageError: the checkpoint before could not be written, or the disk has no room for this one.
        """
        self.wait()
        parts = Parts(checkpoint, self._mesh)
        check_free_space(Path(path), self._group.size() * parts.size + RESERVE)
        self.submit(parts.save, Path(path), self._group, storage_options)
