"""Measures the network of a run while it trains, with the weights that it is evaluated with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice

import torch
from torch import Tensor

from fastrun.components.ema.swap import swapped
from fastrun.components.pipeline import Batch
from fastrun.components.pipeline.structure import map_tensors
from fastrun.components.speed.memory_format import memory_format_of, to_memory_format
from fastrun.system.memory import evaluating
from fastrun.training.builders.parts import Parts


class Validator:
    """Measures the network on the validation set.

    Where the run keeps an average of its weights, or its optimizer has other weights to evaluate with, those are in the
    network meanwhile.

    Args:
        parts: what the training is made of.
    """

    def __init__(self, parts: Parts) -> None:
        self._net, self._update, self._loaders = parts.net, parts.update, parts.loaders
        self._objective, self._world_size = parts.objective, parts.setup.device.world_size

    def measure(self, step: int) -> dict[str, float]:
        """Return the metrics of the validation set, by names such as ``val/acc``.

        Args:
            step: the optimizer steps done.

        Raises:
            OutOfMemory: the device is full.
        """
        with self._evaluation_weights(step), evaluating(self._loaders.val.size):
            measured = self._objective.measure(self._net, self._loaders.val)
        return {f"val/{name}": value for name, value in measured.items()}

    def copy_evaluation_weights(self, step: int) -> dict[str, Tensor] | None:
        """Return a copy of the tensors to evaluate the network with; None if they are those that train.

        Args:
            step: the optimizer steps done.
        """
        if not self._update.evaluation_pairs():
            return None
        with self._evaluation_weights(step):
            return {name: value.clone() for name, value in self._net.state_dict().items()}

    @contextmanager
    def _evaluation_weights(self, step: int) -> Iterator[None]:
        """Put the weights to evaluate with into the network for the duration of a block."""
        average = self._update.average
        with swapped(self._update.evaluation_pairs()):
            if average is not None and average.batches_to_refit:
                batches = islice(self._loaders.train.batches(step), average.batches_to_refit)
                average.refit(batches, self._forward)
            if self._world_size > 1:  # all evaluate with the statistics of the first process, which saves
                for buffer in self._net.buffers():
                    torch.distributed.broadcast(buffer, 0)
            yield
            if self._update.shards is not None:
                self._update.shards.take_apart()

    def _forward(self, batch: Batch) -> None:
        """Run the network on a training batch."""
        layout = memory_format_of(self._net)
        self._objective.forward(self._net, map_tensors(lambda tensor: to_memory_format(tensor, layout), batch))
