"""``pipeline=plain``: transforms samples one at a time, without worker processes."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from fastrun.components.data.collated import collate_of
from fastrun.components.data.labels import as_labels
from fastrun.components.data.splits import Samples
from fastrun.components.pipeline import Batch
from fastrun.components.pipeline.preparation import Preparation
from fastrun.components.pipeline.reading import read_batches, read_samples
from fastrun.components.pipeline.sampler import BatchIndices, BatchSampler, StatelessSampler
from fastrun.components.pipeline.structure import to_device


class PlainLoader:
    """Loads, augments and scales samples one at a time, in the process that trains.

    Args:
        samples: the training set.
        sampler: the samples of each step.
        prepare: augments and scales single samples, on the host.
        device: where the batches go.
    """

    def __init__(
        self,
        samples: Samples,
        sampler: StatelessSampler,
        prepare: Preparation,
        device: torch.device,
    ) -> None:
        self.samples, self.sampler, self.prepare, self.device = samples, sampler, prepare, device

    def batches(self, step: int) -> Generator[Batch, None, None]:
        """Yield the batches of a run from a step on, without end."""
        transformed = _Transformed(self.samples, self.prepare)
        sampler = BatchSampler(self.sampler, step, self.prepare.augment)
        for batch in read_batches(DataLoader(transformed, sampler=sampler, batch_size=None)):
            yield to_device(batch, self.device)


class _Transformed(Dataset[Batch]):
    """A data set of whole batches, whose samples are augmented and scaled one at a time."""

    def __init__(self, samples: Samples, prepare: Preparation) -> None:
        self.samples, self.prepare, self.collate = samples, prepare, collate_of(samples)

    def __getitem__(self, batch: BatchIndices) -> Batch:
        samples = read_samples(self.samples, batch.indices.tolist(), *batch.place)
        if self.prepare.scale is None:
            return self.collate(samples)
        prepared = [self._prepare(x, y, draws) for (x, y), draws in zip(samples, batch.draws, strict=True)]
        x, y = self.collate(prepared)
        return x, as_labels(y)

    def _prepare(self, x: Any, y: Any, draws: Tensor) -> tuple[Tensor, Any]:
        return self.prepare.inputs(torch.as_tensor(x).unsqueeze(0), draws.unsqueeze(0))[0], y  # as a batch of one
