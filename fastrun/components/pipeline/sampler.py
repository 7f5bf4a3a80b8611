"""Chooses the samples of each step, and their augmentation's random numbers, as a function of the seed and the step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple, Protocol

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


class Order(Protocol):
    """The order of the samples in an epoch that a data set brings with it, as its attribute ``order``."""

    def places(self, seed: int, epoch: int, low: int, high: int) -> Tensor:
        """Return the samples at the places ``low`` to ``high`` of an epoch, without the one at ``high``.

        Args:
            seed: the seed of the run.
            epoch: the epoch, counted from 0.
            low: the first place, counted from 0.
            high: the place after the last one.

        Returns:
            Their indices in the data set, int64 ``[high - low]``. Over an epoch each sample comes once.
        """


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
        order: the order of the samples in an epoch; None for a random one.
    """

    samples: int
    batch_size: int
    drop_last: bool
    seed: int
    rank: int = 0
    world_size: int = 1
    is_sequential: bool = False
    order: Order | None = None

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
        if self.order is not None:
            indices = self.order.places(self.seed, epoch, 0, self.samples)
        elif self.is_sequential:
            indices = torch.arange(self.samples)
        else:
            indices = torch.randperm(self.samples, generator=generator(self.seed, "order", epoch))
        draws = augment.draw(indices, self.seed, epoch) if augment else None
        own = self._own_positions()
        if own is None:
            return indices, draws
        return indices[own], None if draws is None else draws[own]

    def ordered_batch(self, epoch: int, batch: int) -> Tensor:
        """Return this process's sample indices of a single batch, in an order that does not need the whole epoch.

        Args:
            epoch: the epoch, counted from 0.
            batch: the batch in it, counted from 0.
        """
        assert self.order is not None
        low = batch * self.batch_size + self.rank * self.local_batch_size
        high = min(low + self.local_batch_size, self.samples)
        return self.order.places(self.seed, epoch, low, high)

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
        while True:
            yield from self._ordered(epoch, first) if self._is_lazy else self._epoch(epoch, first)
            epoch, first = epoch + 1, 0

    @property
    def _is_lazy(self) -> bool:
        """Say whether batches are computed one by one; an augmentation draws its numbers for a whole epoch."""
        return self.sampler.order is not None and self.augment is None

    def _ordered(self, epoch: int, first: int) -> Iterator[BatchIndices]:
        """Yield the batches of an epoch from one on, each computed when it is needed: an epoch may be very long."""
        sampler, size = self.sampler, self.sampler.local_batch_size
        for batch in range(first, sampler.steps_per_epoch):
            indices = sampler.ordered_batch(epoch, batch)
            yield BatchIndices(indices, torch.empty(len(indices), 0), (sampler.seed, epoch, batch * size, sampler.rank))

    def _epoch(self, epoch: int, first: int) -> Iterator[BatchIndices]:
        """Yield the batches of an epoch from one on."""
        size = self.sampler.local_batch_size
        indices, draws = self.sampler.epoch(epoch, self.augment)
        if draws is None:
            draws = torch.empty(len(indices), 0)  # a data loader needs a tensor
        for low in range(first * size, len(indices), size):
            block = slice(low, low + size)
            yield BatchIndices(indices[block], draws[block], (self.sampler.seed, epoch, low, self.sampler.rank))


def _last_part(samples: int, parts: int) -> int:
    """Return the size of the last and smallest part that :func:`torch.chunk` cuts samples into."""
    part = -(-samples // parts)
    return samples - part * (-(-samples // part) - 1)
