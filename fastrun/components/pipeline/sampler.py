"""Chooses the samples of each step, and their augmentation's random numbers, as a function of the seed and the step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Sampler

from fastrun.components.augment import Augment
from fastrun.system.seed import generator


class BatchIndices(NamedTuple):
    """The part of a batch that a process gets.

    Attributes:
        indices: the indices of its samples, ``[batch]``.
        draws: the random numbers of their augmentation, ``[batch, …]``.
        place: the seed of the run, the epoch, the position in the epoch, and the number of the process.
    """

    indices: Tensor
    draws: Tensor
    place: tuple[int, int, int, int]


@dataclass(frozen=True)
class StatelessSampler:
    """The order of the samples in every epoch, for one of several processes.

    It has no state: any epoch can be computed at any time.

    Attributes:
        samples: the number of samples in the data set.
        batch_size: the samples of an optimizer step, summed over all processes.
        drop_last: whether to leave out the last batch of an epoch if it is smaller.
        seed: the seed of the run.
        rank: the number of this process, which gets that one of the equal parts of a batch.
        world_size: the number of processes.
        is_sequential: whether each epoch has the order of the data set.
    """

    samples: int
    batch_size: int
    drop_last: bool
    seed: int
    rank: int = 0
    world_size: int = 1
    is_sequential: bool = False

    @property
    def steps_per_epoch(self) -> int:
        """Return the number of optimizer steps in an epoch."""
        return self.samples // self.batch_size if self.drop_last else -(-self.samples // self.batch_size)

    def samples_in(self, step: int) -> int:
        """Return the number of samples of an optimizer step, summed over all processes; an epoch's last may have fewer.

        Args:
            step: the step, counted from 0.
        """
        first = step % self.steps_per_epoch * self.batch_size
        return min(self.batch_size, self.samples - first)

    @property
    def local_batch_size(self) -> int:
        """Return the number of samples of a full batch that this process gets."""
        return self.batch_size // self.world_size

    def smallest_part(self, accumulate: int) -> int:
        """Return the number of samples in the smallest part of a batch that a process computes at once.

        Args:
            accumulate: the number of parts that a batch is cut into.
        """
        is_even = self.steps_per_epoch * self.batch_size <= self.samples
        batches = [self.batch_size] if is_even else [self.batch_size, self.samples % self.batch_size]
        return min(_last_part(batch // self.world_size, accumulate) for batch in batches)

    def epoch(self, epoch: int, augment: Augment | None) -> tuple[Tensor, Tensor | None]:
        """Return this process's sample indices of an epoch, batch after batch, and their augmentation's random numbers.

        Args:
            epoch: the epoch, counted from 0.
            augment: draws the random numbers; None for no augmentation.

        Returns:
            Indices ``[samples]``, and random numbers ``[samples, …]`` or None.
        """
        if self.is_sequential:
            indices = torch.arange(self.samples)
        else:
            indices = torch.randperm(self.samples, generator=generator(self.seed, "order", epoch))
        draws = augment.draw(indices, self.seed, epoch) if augment else None
        own = self._own_positions()
        if own is None:
            return indices, draws
        return indices[own], None if draws is None else draws[own]

    def _own_positions(self) -> Tensor | None:
        """Return the positions in the order of an epoch that this process gets; None for all of them."""
        used = min(self.samples, self.steps_per_epoch * self.batch_size)
        if self.world_size == 1:
            return None if used == self.samples else torch.arange(used)
        positions = torch.arange(used).view(self.steps_per_epoch, self.world_size, self.local_batch_size)
        return positions[:, self.rank].flatten()


class BatchSampler(Sampler[BatchIndices]):
    """Yields the indices of batch after batch from a step on, without end, for a torch ``DataLoader``."""

    def __init__(self, sampler: StatelessSampler, step: int, augment: Augment | None) -> None:
        self.sampler, self.step, self.augment = sampler, step, augment

    def __iter__(self) -> Iterator[BatchIndices]:
        epoch, first = divmod(self.step, self.sampler.steps_per_epoch)
        size = self.sampler.local_batch_size
        while True:
            indices, draws = self.sampler.epoch(epoch, self.augment)
            if draws is None:
                draws = torch.empty(len(indices), 0)  # a data loader needs a tensor
            for low in range(first * size, len(indices), size):
                block = slice(low, low + size)
                yield BatchIndices(indices[block], draws[block], (self.sampler.seed, epoch, low, self.sampler.rank))
            epoch, first = epoch + 1, 0


def _last_part(samples: int, parts: int) -> int:
    """Return the size of the last and smallest part that :func:`torch.chunk` cuts samples into."""
    part = -(-samples // parts)
    return samples - part * (-(-samples // part) - 1)
