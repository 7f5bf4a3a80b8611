"""A mean over samples, from the means of batches."""

from __future__ import annotations

import torch
from torch import Tensor
from torchmetrics import Metric


class Mean(Metric):
    """The mean over samples, from the means of batches."""

    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros(()), "sum")
        self.add_state("count", torch.zeros(()), "sum")

    def update(self, mean: Tensor, count: int) -> None:
        """Add a batch by its mean and its size."""
        self.total += mean * count
        self.count += count

    def compute(self) -> Tensor:
        """Return the mean over all samples."""
        return self.total / self.count
