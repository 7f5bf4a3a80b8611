"""``pipeline=workers``: loads samples in worker processes; augments and scales whole batches on the device."""

from __future__ import annotations

from collections.abc import Generator

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset, default_collate

from fastrun.components.augment import Augment
from fastrun.components.data.labels import as_labels
from fastrun.components.data.splits import Samples
from fastrun.components.pipeline import Batch
from fastrun.components.pipeline.reading import read_batches, read_samples
from fastrun.components.pipeline.sampler import BatchIndices, BatchSampler, StatelessSampler
from fastrun.components.pipeline.shared_memory import NoRoom, with_room
from fastrun.components.pipeline.standardize import Standardize
from fastrun.system import signals


class WorkerLoader:
    """Loads samples in worker processes and transforms whole batches on the device.

    Args:
        samples: the training set.
        sampler: the samples of each step.
        augment: changes whole batches on the device; None for no augmentation.
        scale: converts bytes to floats; on the device.
        device: where the batches go.
        num_workers: the number of processes; 0 to load in the process that trains.
        prefetch: the number of batches that each worker prepares ahead.
    """

    def __init__(
        self,
        samples: Samples,
        sampler: StatelessSampler,
        augment: Augment | None,
        scale: Standardize,
        device: torch.device,
        num_workers: int,
        prefetch: int,
    ) -> None:
        self.samples, self.sampler, self.augment, self.device = samples, sampler, augment, device
        self.scale = scale
        self.num_workers, self.prefetch = num_workers, prefetch

    def batches(self, step: int) -> Generator[Batch, None, None]:
        """Yield the batches of a run from a step on, without end."""
        loader = DataLoader(
            _BatchDataset(self.samples),
            sampler=BatchSampler(self.sampler, step, self.augment),
            batch_size=None,  # the sampler yields the indices of a whole batch
            num_workers=self.num_workers,
            worker_init_fn=signals.shield_worker,
            prefetch_factor=self.prefetch if self.num_workers else None,
            pin_memory=self.device.type == "cuda",
        )
        for x, y, draws in read_batches(loader):
            moved = x.to(self.device, non_blocking=True)
            if self.augment is not None:
                moved = self.augment(moved, draws.to(self.device, non_blocking=True))
            yield self.scale(moved), as_labels(y.to(self.device, non_blocking=True))


class _BatchDataset(Dataset[tuple[Tensor, ...] | NoRoom]):
    """A data set of whole batches: samples, labels and the augmentation's random numbers."""

    def __init__(self, samples: Samples) -> None:
        self.samples = samples

    def __getitem__(self, batch: BatchIndices) -> tuple[Tensor, ...] | NoRoom:
        if isinstance(self.samples, TensorDataset):
            x, y = (tensor[batch.indices] for tensor in self.samples.tensors)
        else:
            x, y = default_collate(read_samples(self.samples, batch.indices.tolist(), *batch.place))
        return with_room((x, y, batch.draws))
