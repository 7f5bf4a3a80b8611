"""Batches through torch's DataLoader: for sets that do not fit the device, and for the common slow way.

``workers`` loads samples in other processes and augments whole batches on the device; ``plain`` does everything a
sample at a time in this process, as most training scripts do.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler, TensorDataset, default_collate

from fastrun import signals
from fastrun.augment import Augment
from fastrun.data.sets import Samples
from fastrun.pipeline import Batch
from fastrun.pipeline.order import Order
from fastrun.pipeline.reading import read
from fastrun.pipeline.standardize import Standardize

Places = tuple[Tensor, Tensor]  # the indices of a batch's samples, and their draws


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
            _Placed(self.samples),
            sampler=_Order(self.order, step, self.augment),
            batch_size=None,  # a place is a batch's
            num_workers=self.num_workers,
            worker_init_fn=signals.outlive,
            prefetch_factor=self.prefetch if self.num_workers else None,
            pin_memory=self.device.type == "cuda",
        )
        for x, y, draws in read(loader):
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
        changed = _Changed(self.samples, self.augment, self.scale)
        for x, y in read(DataLoader(changed, sampler=_Order(self.order, step, self.augment), batch_size=None)):
            yield x.to(self.device), y.to(self.device)


class _Placed(Dataset[tuple[Tensor, Tensor, Tensor]]):
    """Batches by place: their samples, labels and draws."""

    def __init__(self, samples: Samples) -> None:
        self.samples = samples

    def __getitem__(self, places: Places) -> tuple[Tensor, Tensor, Tensor]:
        indices, draws = places
        if isinstance(self.samples, TensorDataset):
            x, y = (tensor[indices] for tensor in self.samples.tensors)
        else:
            x, y = default_collate([self.samples[index] for index in indices.tolist()])
        return x, y, draws


class _Changed(Dataset[Batch]):
    """Batches by place, whose samples are augmented and scaled one by one."""

    def __init__(self, samples: Samples, augment: Augment | None, scale: Standardize) -> None:
        self.samples, self.augment, self.scale = samples, augment, scale

    def __getitem__(self, places: Places) -> Batch:
        x, y = default_collate([self._sample(int(index), draws) for index, draws in zip(*places, strict=True)])
        return x, y

    def _sample(self, index: int, draws: Tensor) -> tuple[Tensor, Any]:
        x, y = self.samples[index]
        batch = torch.as_tensor(x).unsqueeze(0)
        if self.augment is not None:
            batch = self.augment(batch, draws.unsqueeze(0))
        return self.scale(batch)[0], y


class _Order(Sampler[Places]):
    """The places of batch after batch, from a step on."""

    def __init__(self, order: Order, step: int, augment: Augment | None) -> None:
        self.order, self.step, self.augment = order, step, augment

    def __iter__(self) -> Iterator[Places]:
        epoch, first = divmod(self.step, self.order.steps)
        share = self.order.share
        while True:
            indices, draws = self.order.epoch(epoch, self.augment)
            none = torch.empty(len(indices), 0)
            for low in range(first * share, len(indices), share):
                block = slice(low, low + share)
                yield indices[block], (none if draws is None else draws)[block]
            epoch, first = epoch + 1, 0
