"""Pipelines from samples to batches on the device.

All pipelines yield the same batches for the same seed, since the order of an epoch and the random numbers of its
augmentation depend only on the seed and the epoch (:mod:`fastrun.components.pipeline.sampler`). They differ in cost.
"""

from collections.abc import Generator
from typing import Any, Protocol

Batch = Any
"""Inputs and targets ``(x, y)``; or what the samples of a user's data set become, if they are no such pairs."""


class TrainLoader(Protocol):
    """Yields the training batches of a run."""

    def batches(self, step: int) -> Generator[Batch, None, None]:
        """Yield the batches of one step after another on the device, without end; labels are int64.

        Args:
            step: the first step, counted from 0.
        """
