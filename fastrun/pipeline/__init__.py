"""From samples to batches on the device.

All pipelines yield the same batches for the same seed: the order of an epoch and the draws of its augmentation depend
on the seed and the epoch alone (:mod:`fastrun.pipeline.order`). They differ in what that costs.
"""

from collections.abc import Iterator
from typing import Protocol

from torch import Tensor

Batch = tuple[Tensor, Tensor]


class Feed(Protocol):
    """Yields the batches of a run."""

    def batches(self, step: int) -> Iterator[Batch]:
        """Yield inputs and labels of one step after another, on the device, from a step on, for ever."""
