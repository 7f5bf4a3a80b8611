"""Data and networks as users have them: tokens, numbers, and a factory that brings weights of its own."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.data import TensorDataset


def numbers() -> dict[str, TensorDataset]:
    """Return vectors and their sums."""
    x = torch.randn(64, 6, generator=torch.Generator().manual_seed(0))
    return {"train": TensorDataset(x, x.sum(1)), "val": TensorDataset(x[:8], x[:8].sum(1))}


def tokens() -> dict[str, TensorDataset]:
    """Return sequences and, at each place, the next token."""
    x = torch.randint(0, 5, (64, 6), generator=torch.Generator().manual_seed(0))
    return {"train": TensorDataset(x, x.roll(-1, 1)), "val": TensorDataset(x[:8], x[:8].roll(-1, 1))}


class Trained(nn.Module):
    """A network whose factory loads weights: a constant stands for them."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.body, self.head = nn.Linear(64, 8), nn.Linear(8, num_classes)
        nn.init.constant_(self.body.weight, 0.25)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        return self.head(self.body(x.flatten(1)).relu())
