"""The order of the samples of an epoch where they lie in shards: random, and with a few shards in use at a time."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from itertools import accumulate

import torch
from torch import Tensor

from fastrun.system.seed import generator


class WindowOrder:
    """Shuffles the shards, then the samples within each window of a few shards.

    The order is a function of the seed and the epoch: the samples at any places of an epoch can be computed without
    those before them, so it is the same for any number of workers and processes, and a run goes on anywhere in it. If
    all shards fit one window, every order of the samples is equally likely.

    Args:
        shards: the number of samples in each shard.
        window: the number of shards in a window.
    """

    def __init__(self, shards: Sequence[int], window: int) -> None:
        self.shards, self.window = torch.tensor(shards), window
        self.starts = self.shards.cumsum(0) - self.shards  # the index of the first sample of each shard
        self._epoch = lru_cache(maxsize=2)(self._shuffled_shards)
        self._window = lru_cache(maxsize=2)(self._shuffled_window)

    def places(self, seed: int, epoch: int, low: int, high: int) -> Tensor:
        """Return the samples at the places ``low`` to ``high`` of an epoch, without the one at ``high``.

        Args:
            seed: the seed of the run.
            epoch: the epoch, counted from 0.
            low: the first place, counted from 0.
            high: the place after the last one.

        Returns:
            Their indices in the data set, int64 ``[high - low]``.
        """
        _, ends = self._epoch(seed, epoch)
        parts = []
        for window in range(bisect_right(ends, low), len(ends)):
            start = ends[window - 1] if window else 0
            if start >= high:
                break
            parts.append(self._window(seed, epoch, window)[max(0, low - start) : high - start])
        return torch.cat(parts) if parts else torch.empty(0, dtype=torch.int64)

    def _shuffled_shards(self, seed: int, epoch: int) -> tuple[Tensor, list[int]]:
        """Return the shards in the order of an epoch, and the place after the last one of each window."""
        order = torch.randperm(len(self.shards), generator=generator(seed, "shards", epoch))
        ends = list(accumulate(int(part.sum()) for part in self.shards[order].split(self.window)))
        return order, ends

    def _shuffled_window(self, seed: int, epoch: int, window: int) -> Tensor:
        """Return the indices of the samples of a window in their order."""
        order, _ = self._epoch(seed, epoch)
        own = order[window * self.window : (window + 1) * self.window].tolist()
        parts = [torch.arange(int(self.shards[shard])) + self.starts[shard] for shard in own]
        indices = torch.cat(parts)
        return indices[torch.randperm(len(indices), generator=generator(seed, "window", epoch, window))]

    def __getstate__(self) -> dict[str, object]:
        """Return what makes the order again in another process."""
        return {"shards": self.shards.tolist(), "window": self.window}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__init__(**state)  # type: ignore[misc]
