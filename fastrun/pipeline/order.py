"""Which samples a step sees, and with what draws: a function of the seed and the step."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fastrun.augment import Augment
from fastrun.seed import generator


@dataclass(frozen=True)
class Order:
    """The order of every epoch, for one of ``world`` processes.

    A batch of ``size`` samples is cut into ``world`` equal parts; ``rank`` says which part is this process's.
    """

    samples: int
    size: int
    drop_last: bool
    seed: int
    rank: int = 0
    world: int = 1

    @property
    def steps(self) -> int:
        """Return the optimizer steps of an epoch."""
        return self.samples // self.size if self.drop_last else -(-self.samples // self.size)

    @property
    def share(self) -> int:
        """Return this process's samples of a full batch."""
        return self.size // self.world

    def least(self, accumulate: int) -> int:
        """Return the samples of the smallest part that a process sees at once, batches cut in ``accumulate`` parts."""
        whole = [self.size] if self.steps * self.size <= self.samples else [self.size, self.samples % self.size]
        return min(_last_part(batch // self.world, accumulate) for batch in whole)

    def epoch(self, epoch: int, augment: Augment | None) -> tuple[Tensor, Tensor | None]:
        """Return this process's sample indices of an epoch, batch after batch, and their augmentation's draws."""
        indices = torch.randperm(self.samples, generator=generator(self.seed, "order", epoch))
        draws = augment.draw(indices, self.seed, epoch) if augment else None
        places = self._places()
        if places is None:
            return indices, draws
        return indices[places], None if draws is None else draws[places]

    def _places(self) -> Tensor | None:
        used = min(self.samples, self.steps * self.size)
        if self.world == 1:
            return None if used == self.samples else torch.arange(used)
        return torch.arange(used).view(self.steps, self.world, self.share)[:, self.rank].flatten()


def _last_part(samples: int, parts: int) -> int:
    """Return the size of the last of the parts that :func:`torch.chunk` cuts samples into, the smallest."""
    part = -(-samples // parts)
    return samples - part * (-(-samples // part) - 1)
