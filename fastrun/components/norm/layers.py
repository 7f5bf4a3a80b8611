"""Normalization layers, which the built-in networks use after their linear and convolutional layers.

Recurrent networks and transformers do not use this group: a published transformer includes layer normalization, and
statistics over a batch of sequences would leak later tokens to earlier ones.
"""

from __future__ import annotations

from typing import Annotated, Protocol

from torch import Tensor, nn

from fastrun.config.constraints import Count, Range, Share
from fastrun.errors import ConfigError

Eps = Annotated[float, Range(gt=0, le=1)]


class Norm(Protocol):
    """Builds a norm for a number of channels and for 1 (vectors) or 2 (images) dimensions."""

    def __call__(self, channels: int, dims: int) -> nn.Module:
        """Return a norm for ``[batch, channels]`` or ``[batch, channels, height, width]``."""


def batch(channels: int, dims: int, momentum: Share = 0.1, eps: Eps = 1e-5, scale: bool = True) -> nn.Module:
    """Batch normalization: each channel over the batch (and its pixels). Source: Ioffe & Szegedy 2015.

    Args:
        channels: the channels of the layer before the norm.
        dims: 1 for vectors, 2 for images.
        momentum: the share of a new batch in the running statistics, as in PyTorch.
        eps: added to the variance.
        scale: train the gains. If false, they stay at one and only the biases are trained, as in airbench94, which uses
            a momentum of 0.4 and an eps of 1e-12.
    """
    kind = nn.BatchNorm1d if dims == 1 else nn.BatchNorm2d
    layer = kind(channels, eps=eps, momentum=momentum)
    layer.weight.requires_grad_(scale)
    return layer


def group(channels: int, dims: int, groups: Count = 8, eps: Eps = 1e-5) -> nn.Module:
    """Group normalization: each sample's channels in groups (and their pixels). Source: Wu & He 2018.

    Args:
        channels: the channels of the layer before the norm.
        dims: 1 for vectors, 2 for images.
        groups: the largest number of groups. A layer uses the next smaller number that divides its channels and gives
            each group at least two. One group is layer normalization.
        eps: added to the variance.
    """
    count = next(n for n in range(max(1, min(groups, channels // 2)), 0, -1) if channels % n == 0)
    return Grouped(count, channels, eps)


def layer(channels: int, dims: int, eps: Eps = 1e-5) -> nn.Module:
    """Layer normalization: each sample over all its channels and pixels. Source: Ba et al. 2016.

    The statistics include the pixels, which are among the paper's "all units of a layer", as Wu & He 2018 measured it;
    ConvNeXt normalizes each pixel over its channels. As one group, it needs no copy of a channels-last batch.

    Args:
        channels: the channels of the layer before the norm.
        dims: 1 for vectors, 2 for images.
        eps: added to the variance.
    """
    return nn.LayerNorm(channels, eps) if dims == 1 and channels > 1 else Grouped(1, channels, eps)


def instance(channels: int, dims: int, eps: Eps = 1e-5) -> nn.Module:
    """Instance normalization: each channel of each sample over its pixels. Source: Ulyanov et al. 2016.

    Args:
        channels: the channels of the layer before the norm.
        dims: 2, for images.
        eps: added to the variance.

    Raises:
        ConfigError: for vectors, whose channels have one value each.
    """
    if dims == 1:
        raise ConfigError("norm=instance needs pixels; the channels here have one value each", "use norm=layer")
    return Grouped(channels, channels, eps)


class Grouped(nn.GroupNorm):
    """Group normalization that refuses groups of a single value, whose normalized value is always zero."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the normalized input.

        Raises:
            ConfigError: a group has one value, for example a channel in a layer of one pixel.
        """
        if self.num_groups == self.num_channels and input.shape[2:].numel() == 1:
            raise ConfigError(
                "the norm would normalize single values, in a layer of one pixel per channel",
                "use norm=batch or larger images" if self.num_channels == 1 else "use norm=layer or larger images",
            )
        return super().forward(input)
