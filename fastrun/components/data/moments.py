"""Mean and standard deviation of each channel, of sums over many samples."""

from __future__ import annotations

from torch import Tensor


def moments(values: int, total: Tensor, squares: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean and the standard deviation of each channel, float64 ``[channels]``.

    Args:
        values: the number of values of a channel.
        total: their sum for each channel, float64 ``[channels]``.
        squares: the sum of their squares.
    """
    mean = total / values
    std = ((squares - values * mean.square()) / max(1, values - 1)).clamp_min(0).sqrt()
    overall = ((squares.sum() / values / len(mean)) - mean.mean().square()).clamp_min(0).sqrt()
    return mean, std.clamp_min(1e-3 * overall.clamp_min(1.0))  # a constant channel becomes 0
