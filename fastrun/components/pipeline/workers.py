"""``pipeline=workers``: loads samples in worker processes; augments and scales whole batches on the device."""

from __future__ import annotations

from collections.abc import Generator

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, TensorDataset

from fastrun.components.data.collated import collate_of
from fastrun.components.data.splits import Samples
from fastrun.components.pipeline import Batch
from fastrun.components.pipeline.preparation import Preparation
from fastrun.components.pipeline.reading import read_batches, read_samples
from fastrun.components.pipeline.sampler import BatchIndices, BatchSampler, StatelessSampler
from fastrun.components.pipeline.shared_memory import NoRoom, with_room
from fastrun.components.pipeline.structure import to_device
from fastrun.system import signals


class WorkerLoader:
    """Loads samples in worker processes and transforms whole batches on the device.

    Args:
        samples: the training set.
        sampler: the samples of each step.
        prepare: makes batches in the workers; augments and scales them on the device.
        device: where the batches go.
        num_workers: the number of processes; 0 to load in the process that trains.
        prefetch: the number of batches that each worker prepares ahead.
    """

    def __init__(
        self,
        samples: Samples,
        sampler: StatelessSampler,
        prepare: Preparation,
        device: torch.device,
        num_workers: int,
        prefetch: int,
    ) -> None:
        self.samples, self.sampler, self.prepare, self.device = samples, sampler, prepare, device
        self.num_workers, self.prefetch = num_workers, prefetch

    def batches(self, step: int) -> Generator[Batch, None, None]:
        """Yield the batches of a run from a step on, without end."""
        loader = DataLoader(
            _BatchDataset(self.samples),
            sampler=BatchSampler(self.sampler, step, self.prepare.augment),
            batch_size=None,  # the sampler yields the indices of a whole batch
            num_workers=self.num_workers,
            worker_init_fn=signals.shield_worker,
            prefetch_factor=self.prefetch if self.num_workers else None,
            pin_memory=self.device.type == "cuda",
        )
        for loaded in read_batches(loader):
            yield self.prepare(*to_device(loaded, self.device))


class _BatchDataset(Dataset[tuple[Batch, Tensor] | NoRoom]):
    """A data set of whole batches, with the random numbers of their augmentation."""

    def __init__(self, samples: Samples) -> None:
        self.samples, self.collate = samples, collate_of(samples)

    def __getitem__(self, batch: BatchIndices) -> tuple[Batch, Tensor] | NoRoom:
        if isinstance(self.samples, TensorDataset):
            loaded = tuple(tensor[batch.indices] for tensor in self.samples.tensors)
        else:
            loaded = self.collate(read_samples(self.samples, batch.indices.tolist(), *batch.place))
        return with_room((loaded, batch.draws))
