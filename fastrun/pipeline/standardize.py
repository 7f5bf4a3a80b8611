"""Bytes to floats: each channel of the training set to mean 0 and standard deviation 1."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fastrun.data.sets import Samples, size_of

_ENOUGH = 10_000  # samples that tell mean and deviation to well under a percent


class Standardize(nn.Module):
    """Scale uint8 samples ``[batch, channels, …]``; other dtypes pass as they are."""

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("scale", 1 / std)

    def forward(self, x: Tensor) -> Tensor:
        """Return float32 of the same shape."""
        return x.float().sub_(self.mean).mul_(self.scale) if x.dtype == torch.uint8 else x


def fitted(train: Samples) -> Standardize:
    """Return the scaling for a training set, measured over evenly spread samples where there are very many."""
    count = size_of(train)
    picked = range(0, count, max(1, count // _ENOUGH))
    first = torch.as_tensor(train[0][0])
    shape = [first.shape[0] if first.ndim else 1] + [1] * max(0, first.ndim - 1)
    if first.dtype != torch.uint8:
        return Standardize(torch.zeros(shape), torch.ones(shape))
    x = torch.stack([torch.as_tensor(train[index][0]) for index in picked]).double()
    axes = [axis for axis in range(x.ndim) if axis != 1]
    std = x.std(axes).clamp_min(1e-3 * x.std().clamp_min(1.0))  # a constant channel stays constant
    return Standardize(x.mean(axes).float().view(shape), std.float().view(shape))
