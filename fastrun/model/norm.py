"""Normalization layers that the built-in networks place after their linear and convolutional layers."""

from __future__ import annotations

from typing import Protocol

from torch import nn


class Norm(Protocol):
    """Builds the layer for a number of channels, and 1 (vectors) or 2 (images) dimensions."""

    def __call__(self, channels: int, dims: int) -> nn.Module:
        """Return the layer."""


def batch(channels: int, dims: int, momentum: float = 0.1, eps: float = 1e-5, scale: bool = True) -> nn.Module:
    """Batch normalization. Source: Ioffe & Szegedy 2015.

    ``momentum`` is the new batch's share of the running statistics, PyTorch's meaning of the word. Without ``scale``
    the gains stay at one and only the biases train (airbench94, which has a momentum of 0.4 and an eps of 1e-12).
    """
    kind = nn.BatchNorm1d if dims == 1 else nn.BatchNorm2d
    layer = kind(channels, eps=eps, momentum=momentum)
    layer.weight.requires_grad_(scale)
    return layer
