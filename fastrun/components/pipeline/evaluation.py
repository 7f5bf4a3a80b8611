"""Yields the batches of validations and tests: every sample once, in order, in batches of an efficient size."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.utils.data import DataLoader, Subset, TensorDataset

from fastrun.components.data.splits import Samples, size_of
from fastrun.components.pipeline import Batch
from fastrun.components.pipeline.reading import read_batches
from fastrun.components.pipeline.standardize import Standardize
from fastrun.system import signals

BATCH_BYTES = 2 << 20  # of floats: on a CPU a larger batch does not fit the cache and is slower


class EvalLoader:
    """Yields one process's share of a data set, any number of times.

    Args:
        samples: the data set.
        scale: converts bytes to floats.
        device: where the batches go.
        rank: the number of this process, from 0; it takes every ``world_size``-th sample.
        world_size: the number of processes.
        resident: keep a TensorDataset on the device.
        num_workers: the number of processes that load samples of a data set that is not resident.
        outputs: the values of the network's output for a sample, if these are more than its inputs.
    """

    def __init__(
        self,
        samples: Samples,
        scale: Standardize,
        device: torch.device,
        rank: int = 0,
        world_size: int = 1,
        resident: bool = True,
        num_workers: int = 0,
        outputs: int = 1,
    ) -> None:
        self.scale, self.device = scale.to(device), device
        numel = max(
            torch.as_tensor(samples[0][0]).numel(), outputs
        )  # the outputs for a text are larger than its tokens
        limit = BATCH_BYTES if device.type == "cpu" else 32 * BATCH_BYTES
        self.size = max(64, limit // (4 * numel))
        self.resident: Batch | None = None
        if resident and isinstance(samples, TensorDataset):
            x, y = (tensor[rank::world_size].to(device) for tensor in samples.tensors)
            self.resident = x, y
            return
        self.loader = DataLoader(
            Subset(samples, range(rank, size_of(samples), world_size)) if world_size > 1 else samples,
            batch_size=min(self.size, 256),
            num_workers=num_workers,
            worker_init_fn=signals.shield_worker,
            persistent_workers=num_workers > 0,
            pin_memory=device.type == "cuda",
        )

    def __iter__(self) -> Iterator[Batch]:
        """Yield the scaled batches on the device."""
        if self.resident is not None:
            for x, y in zip(*(torch.split(tensor, self.size) for tensor in self.resident), strict=True):
                yield self.scale(x), y
        else:
            for x, y in read_batches(self.loader):
                yield self.scale(x.to(self.device, non_blocking=True)), y.to(self.device, non_blocking=True)
