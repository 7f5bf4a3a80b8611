"""Lightning's strategy for a run whose processes divide the network's weights among them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytorch_lightning.strategies import DDPStrategy
from torch.optim import Optimizer

from fastrun.components.device.shards import Shards
from fastrun.storage.checkpoint.load import load_parts
from fastrun.storage.checkpoint.sharded_io import ShardedCheckpointIO


class ShardedStrategy(DDPStrategy):
    """Connects the processes as for DistributedDataParallel, and leaves the network as it is.

    Args:
        shards: the parts of the network's weights that this process keeps.
    """

    def __init__(self, shards: Shards) -> None:
        super().__init__(checkpoint_io=ShardedCheckpointIO())
        self._shards = shards

    def configure_ddp(self) -> None:
        """Wrap nothing: the network's blocks exchange weights and gradients themselves."""

    def model_to_device(self) -> None:
        """Move the metrics alone: the parts of weights are where they belong."""
        assert self.model is not None
        for child in self.model.children():
            if child is not self._shards.net:
                child.to(self.root_device)

    def optimizer_state(self, optimizer: Optimizer) -> dict[str, Any]:
        """Return the state of this process's parts."""
        return optimizer.state_dict()

    def save_checkpoint(self, checkpoint: dict[str, Any], filepath: Any, storage_options: Any = None) -> None:
        """Let each process write its parts."""
        self.checkpoint_io.save_checkpoint(self._shards.globalize(checkpoint), filepath, storage_options)

    def load_checkpoint(self, checkpoint_path: Any, weights_only: bool | None = None) -> dict[str, Any]:
        """Read this process's parts of a checkpoint, which any number of processes may have written."""
        return self._shards.localize(load_parts(Path(checkpoint_path), self._shards.like))

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Give the optimizer its state, on the device where the parts are."""
        for optimizer, state in zip(self.optimizers, checkpoint["optimizer_states"], strict=True):
            optimizer.load_state_dict(state)
