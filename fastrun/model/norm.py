"""Normalization layers that the built-in networks place after their linear and convolutional layers.

Recurrent networks and transformers have no choice here: layer normalization is part of a transformer as it was
published, and statistics over a batch of sequences would show a token what comes after it.
"""

from __future__ import annotations

from typing import Protocol

from torch import Tensor, nn

from fastrun.errors import ConfigError


class Norm(Protocol):
    """Builds the layer for a number of channels, and 1 (vectors) or 2 (images) dimensions."""

    def __call__(self, channels: int, dims: int) -> nn.Module:
        """Return the layer, for ``[batch, channels]`` or ``[batch, channels, height, width]``."""


def batch(channels: int, dims: int, momentum: float = 0.1, eps: float = 1e-5, scale: bool = True) -> nn.Module:
    """Batch normalization: each channel over the batch (and its pixels). Source: Ioffe & Szegedy 2015.

    Args:
        channels: of the layer before it.
        dims: 1 for vectors, 2 for images.
        momentum: the new batch's share of the running statistics, PyTorch's meaning of the word.
        eps: added to the variance.
        scale: train the gains; without, they stay at one and only the biases train (airbench94, which has a momentum of
            0.4 and an eps of 1e-12).
    """
    kind = nn.BatchNorm1d if dims == 1 else nn.BatchNorm2d
    layer = kind(channels, eps=eps, momentum=momentum)
    layer.weight.requires_grad_(scale)
    return layer


def group(channels: int, dims: int, groups: int = 8, eps: float = 1e-5) -> nn.Module:
    """Group normalization: each sample's channels in groups (and their pixels). Source: Wu & He 2018.

    Args:
        channels: of the layer before it.
        dims: 1 for vectors, 2 for images.
        groups: at most; in a layer whose channels they do not share evenly, or with fewer than two channels each, the
            next smaller number that does. One group is layer normalization.
        eps: added to the variance.

    Raises:
        ConfigError: ``groups`` is below 1.
    """
    if groups < 1:
        raise ConfigError(f"norm.groups={groups} is too small", "the least is 1, which is norm=layer")
    count = next(n for n in range(max(1, min(groups, channels // 2)), 0, -1) if channels % n == 0)
    return Grouped(count, channels, eps)


def layer(channels: int, dims: int, eps: float = 1e-5) -> nn.Module:
    """Layer normalization: each sample over all its channels and pixels. Source: Ba et al. 2016.

    Over pixels too, as the paper's "all units of a layer" and as Wu & He 2018 measured it, not each pixel over its
    channels, which is ConvNeXt's: as one group it needs no copy of a channels-last batch.

    Args:
        channels: of the layer before it.
        dims: 1 for vectors, 2 for images.
        eps: added to the variance.
    """
    return nn.LayerNorm(channels, eps) if dims == 1 and channels > 1 else Grouped(1, channels, eps)


def instance(channels: int, dims: int, eps: float = 1e-5) -> nn.Module:
    """Instance normalization: each channel of each sample over its pixels. Source: Ulyanov et al. 2016.

    Args:
        channels: of the layer before it.
        dims: 2, for images.
        eps: added to the variance.

    Raises:
        ConfigError: of vectors, whose channels have one value each.
    """
    if dims == 1:
        raise ConfigError("norm=instance needs pixels; the channels here have one value each", "use norm=layer")
    return Grouped(channels, channels, eps)


class Grouped(nn.GroupNorm):
    """Group normalization that refuses groups of a single value: what it learns from is then always zero."""

    def forward(self, input: Tensor) -> Tensor:
        """Return the same shape.

        Raises:
            ConfigError: a group has one value, such as a channel in a layer that pooling left one pixel of.
        """
        if self.num_groups == self.num_channels and input.shape[2:].numel() == 1:
            raise ConfigError(
                "the norm has one value only to take the mean of, in a layer of one pixel a channel",
                "use norm=batch or larger images" if self.num_channels == 1 else "use norm=layer or larger images",
            )
        return super().forward(input)
