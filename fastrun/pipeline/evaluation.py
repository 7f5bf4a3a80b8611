"""Batches for validation and tests: every sample once, in order, as large as pays."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader, Subset, TensorDataset

from fastrun import signals
from fastrun.data.sets import Samples, size_of
from fastrun.pipeline import Batch
from fastrun.pipeline.reading import read
from fastrun.pipeline.standardize import Standardize

_BATCH_BYTES = 2 << 20  # of floats: on the CPU a larger batch leaves the cache and gets slower


class Evaluation:
    """One process's share of a set, again and again. Each of ``world`` processes takes every ``world``-th sample."""

    def __init__(
        self,
        samples: Samples,
        scale: Standardize,
        device: torch.device,
        rank: int = 0,
        world: int = 1,
        resident: bool = True,
        num_workers: int = 0,
        outputs: int = 1,
    ) -> None:
        self.scale, self.device = scale.to(device), device
        numel = max(torch.as_tensor(samples[0][0]).numel(), outputs)  # a text's outputs are larger than its tokens
        limit = _BATCH_BYTES if device.type == "cpu" else 32 * _BATCH_BYTES
        self.size = max(64, limit // (4 * numel))
        self.resident: Batch | None = None
        if resident and isinstance(samples, TensorDataset):
            x, y = (tensor[rank::world].to(device) for tensor in samples.tensors)
            self.resident = x, y
            return
        self.loader = DataLoader(
            Subset(samples, range(rank, size_of(samples), world)) if world > 1 else samples,
            batch_size=min(self.size, 256),
            num_workers=num_workers,
            worker_init_fn=signals.outlive,
            persistent_workers=num_workers > 0,
            pin_memory=device.type == "cuda",
        )

    def __iter__(self) -> Iterator[Batch]:
        """Yield the batches, scaled, on the device."""
        if self.resident is not None:
            for x, y in zip(*(torch.split(tensor, self.size) for tensor in self.resident), strict=True):
                yield self.scale(x), y
        else:
            for x, y in read(self.loader):
                yield self.scale(x.to(self.device, non_blocking=True)), y.to(self.device, non_blocking=True)
