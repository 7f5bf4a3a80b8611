"""``pipeline=resident``: keeps the whole data set on the device and slices batches from it."""

from __future__ import annotations

from collections.abc import Generator

import torch
from torch.utils.data import TensorDataset

from fastrun.components.pipeline import Batch
from fastrun.components.pipeline.preparation import Preparation
from fastrun.components.pipeline.sampler import StatelessSampler

BLOCK_BYTES = 4 << 20  # of floats computed at once: few large operations whose results still fit the cache


class ResidentLoader:
    """Slices batches from a TensorDataset that is copied to the device once.

    Args:
        samples: the training set, which must be in tensors.
        sampler: the samples of each step.
        prepare: augments and scales several batches at once, on the device.
        device: where the batches go.
    """

    def __init__(
        self,
        samples: TensorDataset,
        sampler: StatelessSampler,
        prepare: Preparation,
        device: torch.device,
    ) -> None:
        self.tensors = [tensor.to(device) for tensor in samples.tensors]
        self.sampler, self.prepare, self.device = sampler, prepare, device

    def batches(self, step: int) -> Generator[Batch, None, None]:
        """Yield the batches of a run from a step on, without end."""
        epoch, first = divmod(step, self.sampler.steps_per_epoch)
        size = self.sampler.local_batch_size
        per_block = max(1, BLOCK_BYTES // (size * self.tensors[0][0].numel() * 4))
        while True:
            indices, draws = self.sampler.epoch(epoch, self.prepare.augment)
            indices = indices.to(self.device)
            draws = None if draws is None else draws.to(self.device)
            for low in range(first * size, len(indices), per_block * size):
                block = slice(low, low + per_block * size)
                picked = [tensor.index_select(0, indices[block]) for tensor in self.tensors]
                prepared = self.prepare(picked, None if draws is None else draws[block])
                yield from zip(*(torch.split(tensor, size) for tensor in prepared), strict=True)
            epoch, first = epoch + 1, 0
