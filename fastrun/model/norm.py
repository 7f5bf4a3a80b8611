"""Normalization layers that the built-in networks place after their linear and convolutional layers."""

from __future__ import annotations

from typing import Protocol

from torch import nn


class Norm(Protocol):
    """Builds the layer for a number of channels, and 1 (vectors) or 2 (images) dimensions."""

    def __call__(self, channels: int, dims: int) -> nn.Module:
        """Return the layer."""


def batch(channels: int, dims: int, momentum: float = 0.1, eps: float = 1e-5) -> nn.Module:
    """Batch normalization. Source: Ioffe & Szegedy 2015."""
    kind = nn.BatchNorm1d if dims == 1 else nn.BatchNorm2d
    return kind(channels, eps=eps, momentum=momentum)
