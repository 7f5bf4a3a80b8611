"""``pipeline=resident``: keeps the whole data set on the device and slices batches from it."""

from __future__ import annotations

from collections.abc import Generator

import torch
from torch.utils.data import TensorDataset

from fastrun.components.augment import Augment
from fastrun.components.data.labels import as_labels
from fastrun.components.pipeline import Batch
from fastrun.components.pipeline.sampler import StatelessSampler
from fastrun.components.pipeline.standardize import Standardize

BLOCK_BYTES = 4 << 20  # of floats computed at once: few large operations whose results still fit the cache


class ResidentLoader:
    """Slices batches from a TensorDataset that is copied to the device once.

    Args:
        samples: the training set, which must be in tensors.
        sampler: the samples of each step.
        augment: changes several batches at once on the device; None for no augmentation.
        scale: converts bytes to floats; on the device.
        device: where the batches go.
    """

    def __init__(
        self,
        samples: TensorDataset,
        sampler: StatelessSampler,
        augment: Augment | None,
        scale: Standardize,
        device: torch.device,
    ) -> None:
        self.x, self.y = (tensor.to(device) for tensor in samples.tensors)
        self.sampler = sampler
        self.augment = augment
        self.scale = scale
        self.device = device

    def batches(self, step: int) -> Generator[Batch, None, None]:
        """Yield the batches of a run from a step on, without end."""
        epoch, first = divmod(step, self.sampler.steps_per_epoch)
        size = self.sampler.local_batch_size
        per_block = max(1, BLOCK_BYTES // (size * self.x[0].numel() * 4))
        while True:
            indices, draws = self.sampler.epoch(epoch, self.augment)
            indices = indices.to(self.device)
            draws = None if draws is None else draws.to(self.device)
            for low in range(first * size, len(indices), per_block * size):
                block = slice(low, low + per_block * size)
                x = self.x.index_select(0, indices[block])
                if self.augment is not None and draws is not None:
                    x = self.augment(x, draws[block])
                y = as_labels(self.y[indices[block]])
                yield from zip(torch.split(self.scale(x), size), torch.split(y, size), strict=True)
            epoch, first = epoch + 1, 0
