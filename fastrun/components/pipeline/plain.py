"""``pipeline=plain``: transforms samples one at a time, without worker processes."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate

from fastrun.components.augment import Augment
from fastrun.components.data.labels import as_labels
from fastrun.components.data.splits import Samples
from fastrun.components.pipeline import Batch
from fastrun.components.pipeline.reading import read_batches, read_samples
from fastrun.components.pipeline.sampler import BatchIndices, BatchSampler, StatelessSampler
from fastrun.components.pipeline.standardize import Standardize


class PlainLoader:
    """Loads, augments and scales samples one at a time, in the process that trains.

    Args:
        samples: the training set.
        sampler: the samples of each step.
        augment: changes single samples; None for no augmentation.
        scale: converts bytes to floats; on the host, where the samples are.
        device: where the batches go.
    """

    def __init__(
        self,
        samples: Samples,
        sampler: StatelessSampler,
        augment: Augment | None,
        scale: Standardize,
        device: torch.device,
    ) -> None:
        self.samples, self.sampler, self.augment, self.scale = samples, sampler, augment, scale
        self.device = device

    def batches(self, step: int) -> Generator[Batch, None, None]:
        """Yield the batches of a run from a step on, without end."""
        transformed = _Transformed(self.samples, self.augment, self.scale)
        sampler = BatchSampler(self.sampler, step, self.augment)
        for x, y in read_batches(DataLoader(transformed, sampler=sampler, batch_size=None)):
            yield x.to(self.device), as_labels(y.to(self.device))


class _Transformed(Dataset[Batch]):
    """A data set of whole batches, whose samples are augmented and scaled one at a time."""

    def __init__(self, samples: Samples, augment: Augment | None, scale: Standardize) -> None:
        self.samples, self.augment, self.scale = samples, augment, scale

    def __getitem__(self, batch: BatchIndices) -> Batch:
        samples = read_samples(self.samples, batch.indices.tolist(), *batch.place)
        x, y = default_collate([self._changed(*pair, draws) for pair, draws in zip(samples, batch.draws, strict=True)])
        return x, y

    def _changed(self, x: Any, y: Any, draws: Tensor) -> tuple[Tensor, Any]:
        single = torch.as_tensor(x).unsqueeze(0)  # a batch of one
        if self.augment is not None:
            single = self.augment(single, draws.unsqueeze(0))
        return self.scale(single)[0], y
