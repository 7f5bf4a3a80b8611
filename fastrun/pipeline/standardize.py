"""Bytes to floats: each channel of the training set to mean 0 and standard deviation 1."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fastrun.data.sets import Samples, size_of

_ENOUGH = 10_000  # samples that tell mean and deviation to well under a percent
_VALUES = 1 << 26  # the same, where samples are large and have to be decoded first
_PIECE = 256  # samples in memory at a time


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
    first = torch.as_tensor(train[0][0])
    shape = [first.shape[0] if first.ndim else 1] + [1] * max(0, first.ndim - 1)
    if first.dtype != torch.uint8:
        return Standardize(torch.zeros(shape), torch.ones(shape))
    mean, std = _moments(train, min(_ENOUGH, max(1, _VALUES // first.numel())))
    return Standardize(mean.float().view(shape), std.float().view(shape))


def _moments(train: Samples, enough: int) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each channel, a piece of the samples at a time."""
    count = size_of(train)
    picked = range(0, count, max(1, count // enough))
    values, total, squares = 0, torch.zeros(1, dtype=torch.double), torch.zeros(1, dtype=torch.double)
    for low in range(0, len(picked), _PIECE):
        piece = torch.stack([torch.as_tensor(train[index][0]) for index in picked[low : low + _PIECE]]).double()
        axes = [axis for axis in range(piece.ndim) if axis != 1]
        values += piece.numel() // (piece.shape[1] if piece.ndim > 1 else 1)
        total, squares = total + piece.sum(axes), squares + piece.square().sum(axes)  # whole numbers: exact
    mean = total / values
    std = ((squares - values * mean.square()) / max(1, values - 1)).clamp_min(0).sqrt()
    overall = ((squares.sum() / values / len(mean)) - mean.mean().square()).clamp_min(0).sqrt()
    return mean, std.clamp_min(1e-3 * overall.clamp_min(1.0))  # a constant channel stays constant
