"""An IterableDataset, read in its own order, as a data set whose samples have numbers."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch.utils.data import Dataset, IterableDataset, default_collate

from fastrun.components.data.collated import Collate
from fastrun.errors import DataError
from fastrun.system.seed import derive, seeded


class Stream(Dataset[Any]):
    """Reads an IterableDataset from its beginning in every epoch.

    What it draws at random depends on the seed of the run, the epoch and the position alone: it has random states of
    its own. Reading on from a sample in the middle, as a resumed run does, reads all samples before it again.

    Args:
        samples: the data set. If it has a method ``set_epoch``, that is called before each epoch.
        count: the number of its samples.
        collate: makes a batch of a list of samples.
    """

    def __init__(self, samples: IterableDataset[Any], count: int, collate: Collate = default_collate) -> None:
        self.samples, self.count, self.collate = samples, count, collate
        self._key: tuple[int | str, ...] | None = None
        self._position = 0
        self._iterator: Iterator[Any] = iter(())
        self._states: tuple[Any, ...] = ()

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> Any:
        return self.read([index], "look")[0]

    def read(self, indices: Sequence[int], *key: int | str) -> list[Any]:
        """Return samples by their positions, which ascend.

        Args:
            indices: the positions, from 0.
            key: what the random numbers of the data set depend on: the seed of the run and the epoch.

        Raises:
            DataError: there are fewer samples, or more.
        """
        with seeded(*key):
            if key != self._key or indices[0] < self._position:
                self._begin(key)
            else:
                _set_states(self._states)
            wanted, found = set(indices), []
            while self._position <= indices[-1]:
                sample = self._next()
                if self._position in wanted:
                    found.append(sample)
                self._position += 1
            self._states = _states()
        return found

    def _begin(self, key: tuple[int | str, ...]) -> None:
        """Begin an epoch, with the random states of its key."""
        if self._position == self.count and next(self._iterator, self) is not self:
            raise DataError(f"a set has more than its {self.count} samples", "let __len__ return the right number")
        set_epoch = getattr(self.samples, "set_epoch", None)
        if callable(set_epoch):
            set_epoch(key[-1] if isinstance(key[-1], int) else derive(*key) % (1 << 31))
        self._iterator, self._position, self._key = iter(self.samples), 0, key

    def _next(self) -> Any:
        try:
            return next(self._iterator)
        except StopIteration:
            problem = f"a set ended after {self._position} samples, and its length is {self.count}"
            raise DataError(problem, "let __len__ return the right number") from None

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for another process, which reads from the beginning."""
        return {**vars(self), "_key": None, "_iterator": iter(()), "_position": 0, "_states": ()}


def length_of(samples: IterableDataset[Any]) -> int | None:
    """Return the length that an IterableDataset has, or None."""
    try:
        return len(samples)  # type: ignore[arg-type]
    except (TypeError, NotImplementedError):
        return None


def _states() -> tuple[Any, ...]:
    return torch.get_rng_state(), np.random.get_state(), random.getstate()


def _set_states(states: tuple[Any, ...]) -> None:
    of_torch, of_numpy, of_python = states
    torch.set_rng_state(of_torch)
    np.random.set_state(of_numpy)
    random.setstate(of_python)
