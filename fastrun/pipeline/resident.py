"""The whole set as bytes on the device, batches by slicing: nothing is done a sample at a time."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.utils.data import TensorDataset

from fastrun.augment import Augment
from fastrun.pipeline import Batch
from fastrun.pipeline.order import Order
from fastrun.pipeline.standardize import Standardize

_BLOCK_BYTES = 4 << 20  # of floats made at once: fewer, larger operations, that still fit the cache


class Resident:
    """Batches of a TensorDataset."""

    def __init__(
        self, samples: TensorDataset, order: Order, augment: Augment | None, scale: Standardize, device: torch.device
    ) -> None:
        self.x, self.y = (tensor.to(device) for tensor in samples.tensors)
        self.order = order
        self.augment = augment
        self.scale = scale.to(device)
        self.device = device

    def batches(self, step: int) -> Iterator[Batch]:
        """Yield the batches of a run from a step on, for ever."""
        epoch, first = divmod(step, self.order.steps)
        share = self.order.share
        per_block = max(1, _BLOCK_BYTES // (share * self.x[0].numel() * 4))
        while True:
            indices, draws = self.order.epoch(epoch, self.augment)
            indices = indices.to(self.device)
            draws = None if draws is None else draws.to(self.device)
            for low in range(first * share, len(indices), per_block * share):
                block = slice(low, low + per_block * share)
                x = self.x.index_select(0, indices[block])
                if self.augment is not None and draws is not None:
                    x = self.augment(x, draws[block])
                yield from zip(
                    torch.split(self.scale(x), share), torch.split(self.y[indices[block]], share), strict=True
                )
            epoch, first = epoch + 1, 0
