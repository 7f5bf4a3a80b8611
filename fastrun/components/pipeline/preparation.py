"""What is done to the samples of a batch before the network gets them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from fastrun.components.augment import Augment
from fastrun.components.data.labels import as_labels
from fastrun.components.pipeline import Batch
from fastrun.components.pipeline.standardize import Standardize


@dataclass(frozen=True)
class Preparation:
    """Augments the inputs of batches, and converts bytes to floats.

    Attributes:
        scale: converts the inputs of pairs ``(x, y)``, and lies where the batches are prepared; None for samples that
            are no such pairs, which are not changed.
        augment: changes inputs; None for no augmentation.
    """

    scale: Standardize | None
    augment: Augment | None = None

    def __call__(self, batch: Batch, draws: Tensor | None = None) -> Batch:
        """Return a batch as the network gets it; labels are int64.

        Args:
            batch: the batch, on the device of ``scale``.
            draws: the random numbers of its augmentation, ``[batch, …]``; None for no augmentation.
        """
        if self.scale is None:
            return batch
        x, y = batch
        return self.inputs(x, draws), as_labels(y)

    def inputs(self, x: Tensor, draws: Tensor | None) -> Tensor:
        """Return the inputs of pairs, ``[batch, …]``, augmented and scaled."""
        assert self.scale is not None
        if self.augment is not None and draws is not None:
            x = self.augment(x, draws)
        scaled: Tensor = self.scale(x)
        return scaled
