"""Augmentation of whole batches, on any device.

An augmentation first draws the random numbers for all samples of an epoch (:meth:`Augment.draw`), then changes each
batch with its share of them. What happens to a sample therefore depends only on its position in the epoch.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Augment(Protocol):
    """Changes a batch of samples.

    An augmentation that mixes samples also has an attribute ``mix``: see :class:`fastrun.components.augment.mix.Mix`.
    One whose class has ``moves_pixels = False`` leaves each pixel where it is, so it may be used where targets are
    masks or images, too.
    """

    def draw(self, indices: Tensor, seed: int, epoch: int) -> Tensor:
        """Draw the random numbers of an epoch.

        Args:
            indices: the samples in the order of the epoch, ``[count]``.
            seed: the seed of the run.
            epoch: the epoch, counted from 0.

        Returns:
            The random numbers, ``[count, …]``.
        """

    def __call__(self, x: Tensor, draws: Tensor) -> Tensor:
        """Return the changed batch.

        Args:
            x: the samples, ``[batch, channels, height, width]``.
            draws: their rows of what :meth:`draw` returned, ``[batch, …]``.
        """
