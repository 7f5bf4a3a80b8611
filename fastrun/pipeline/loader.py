"""Batches through torch's DataLoader: for sets that do not fit the device, and for the common slow way.

``workers`` loads samples in other processes and augments whole batches on the device; ``plain`` does everything a
sample at a time in this process, as most training scripts do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from fastrun.augment import Augment
from fastrun.data.sets import Samples
from fastrun.pipeline import Batch
from fastrun.pipeline.order import Order
from fastrun.pipeline.standardize import Standardize

Place = tuple[int, Tensor | None]  # the index of a sample, and its draws


class Workers:
    """Samples by worker processes; scaling and augmentation of whole batches on the device."""

    def __init__(
        self,
        samples: Samples,
        order: Order,
        augment: Augment | None,
        scale: Standardize,
        device: torch.device,
        num_workers: int,
        prefetch: int,
    ) -> None:
        self.samples, self.order, self.augment, self.device = samples, order, augment, device
        self.scale = scale.to(device)
        self.num_workers, self.prefetch = num_workers, prefetch

    def batches(self, step: int) -> Iterator[Batch]:
        """Yield the batches of a run from a step on, for ever."""
        loader = DataLoader(
            _Placed(self.samples, None, None),
            batch_sampler=_Places(self.order, step, self.augment),
            num_workers=self.num_workers,
            prefetch_factor=self.prefetch if self.num_workers else None,
            pin_memory=self.device.type == "cuda",
        )
        for x, y, draws in loader:
            moved = x.to(self.device, non_blocking=True)
            if self.augment is not None:
                moved = self.augment(moved, draws.to(self.device, non_blocking=True))
            yield self.scale(moved), y.to(self.device, non_blocking=True)


class Plain:
    """The common slow way: every transform a sample at a time, no workers."""

    def __init__(
        self, samples: Samples, order: Order, augment: Augment | None, scale: Standardize, device: torch.device
    ) -> None:
        self.samples, self.order, self.augment, self.scale, self.device = samples, order, augment, scale.cpu(), device

    def batches(self, step: int) -> Iterator[Batch]:
        """Yield the batches of a run from a step on, for ever."""
        placed = _Placed(self.samples, self.augment, self.scale)
        for x, y, _ in DataLoader(placed, batch_sampler=_Places(self.order, step, self.augment)):
            yield x.to(self.device), y.to(self.device)


class _Placed(Dataset[tuple[Tensor, Any, Tensor]]):
    """Samples by place; transformed one by one where ``scale`` is given."""

    def __init__(self, samples: Samples, augment: Augment | None, scale: Standardize | None) -> None:
        self.samples, self.augment, self.scale = samples, augment, scale

    def __getitem__(self, place: Place) -> tuple[Tensor, Any, Tensor]:
        index, draws = place
        x, y = self.samples[index]
        if self.scale is not None:
            batch = torch.as_tensor(x).unsqueeze(0)
            if self.augment is not None and draws is not None:
                batch = self.augment(batch, draws.unsqueeze(0))
            x = self.scale(batch)[0]
        return x, y, draws if draws is not None else torch.empty(0)


class _Places:
    """The places of batch after batch, from a step on."""

    def __init__(self, order: Order, step: int, augment: Augment | None) -> None:
        self.order, self.step, self.augment = order, step, augment

    def __iter__(self) -> Iterator[list[Place]]:
        epoch, first = divmod(self.step, self.order.steps)
        share = self.order.share
        while True:
            indices, draws = self.order.epoch(epoch, self.augment)
            for low in range(first * share, len(indices), share):
                block = slice(low, low + share)
                chosen = draws[block] if draws is not None else [None] * len(indices[block])
                yield list(zip(indices[block].tolist(), chosen, strict=True))
            epoch, first = epoch + 1, 0
