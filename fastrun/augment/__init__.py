"""Augmentation of whole batches, on any device.

An augmentation first draws the random numbers of all samples of an epoch (:meth:`Augment.draw`), then changes batches
with their share of them. So what happens to a sample depends on its place in the epoch alone.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Augment(Protocol):
    """Changes a batch of samples. One that mixes samples has a ``mix`` too: see :class:`fastrun.augment.mix.Mix`."""

    def draw(self, indices: Tensor, seed: int, epoch: int) -> Tensor:
        """Return the draws ``[count, …]`` of an epoch, whose samples come in the order of ``indices``."""

    def __call__(self, x: Tensor, draws: Tensor) -> Tensor:
        """Return the changed batch; ``x`` is ``[batch, channels, height, width]``, ``draws`` ``[batch, …]``."""
