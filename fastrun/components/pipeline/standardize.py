"""Converts bytes to floats, so that each channel of the training set has mean 0 and standard deviation 1."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from fastrun.components.data.moments import moments
from fastrun.components.data.splits import Samples, size_of
from fastrun.components.pipeline.reading import read_inputs

MAX_SAMPLES = 10_000  # that are measured: enough to know mean and deviation to well under a percent
_MAX_VALUES = 1 << 26  # that are measured: fewer samples are enough if each is large
_CHUNK = 256  # samples in memory at a time


class Standardize(nn.Module):
    """Standardizes uint8 samples; samples of other types are not changed.

    Args:
        mean: the mean of each channel, of a shape that broadcasts with a sample.
        scale: 1 / the standard deviation of each channel.
    """

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)

    def forward(self, x: Tensor) -> Tensor:
        """Return samples ``[batch, channels, …]`` as float32 of the same shape."""
        return x.float().sub_(self.mean).mul_(self.scale) if x.dtype == torch.uint8 else x


def fit_standardize(train: Samples) -> Standardize:
    """Return the scaling for a training set: measured, over evenly spaced samples if it is very large.

    A data set that knows the mean and the standard deviation of its channels has them as ``channel_moments``.
    """
    first = torch.as_tensor(train[0][0])
    shape = [first.shape[0] if first.ndim else 1] + [1] * max(0, first.ndim - 1)
    if first.dtype != torch.uint8:
        return Standardize(torch.zeros(shape), torch.ones(shape))
    known: tuple[Tensor, Tensor] | None = getattr(train, "channel_moments", None)
    mean, std = known or _moments(train, min(MAX_SAMPLES, max(1, _MAX_VALUES // first.numel())))
    return Standardize(mean.float().view(shape), 1 / std.float().view(shape))


def _moments(train: Samples, max_samples: int) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation of each channel, computed in chunks of samples."""
    count = size_of(train)
    picked = range(0, count, max(1, count // max_samples))
    values, total, squares = 0, torch.zeros(1, dtype=torch.double), torch.zeros(1, dtype=torch.double)
    for low in range(0, len(picked), _CHUNK):
        chunk = read_inputs(train, picked[low : low + _CHUNK]).double()
        axes = [axis for axis in range(chunk.ndim) if axis != 1]
        values += chunk.numel() // (chunk.shape[1] if chunk.ndim > 1 else 1)
        total, squares = total + chunk.sum(axes), squares + chunk.square().sum(axes)  # of whole numbers, so exact
    return moments(values, total, squares)
