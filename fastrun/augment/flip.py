"""Mirroring images left to right. Source: common since Krizhevsky et al. 2012."""

from __future__ import annotations

import torch
from torch import Tensor

from fastrun.errors import ConfigError


class Flip:
    """Mirror each image with probability ``p``."""

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ConfigError(f"augment: {p} is not a probability")
        self.p = p

    def draw(self, count: int, random: torch.Generator) -> Tensor:
        """Return bools ``[count]``."""
        return torch.rand(count, generator=random) < self.p

    def __call__(self, x: Tensor, draws: Tensor) -> Tensor:
        """Return the batch with the drawn images mirrored."""
        return torch.where(draws.view(-1, 1, 1, 1), x.flip(-1), x)
