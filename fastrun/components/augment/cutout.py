"""Cutout. Source: DeVries & Taylor 2017, "Improved regularization of convolutional neural networks with Cutout"."""

from __future__ import annotations

import torch
from torch import Tensor


def cut(x: Tensor, side: int, row: Tensor, column: Tensor) -> Tensor:
    """Return images with one square of zeros each; a square may reach past the edge.

    Args:
        x: the images, ``[batch, channels, height, width]``.
        side: the width of the squares in pixels.
        row: the row of each square's center, ``[batch]``.
        column: the column of each square's center, ``[batch]``.
    """
    height, width = x.shape[-2:]
    rows = _within(torch.arange(height, device=x.device), row, side)
    columns = _within(torch.arange(width, device=x.device), column, side)
    return x * ~(rows.unsqueeze(2) & columns.unsqueeze(1)).unsqueeze(1)


def _within(positions: Tensor, center: Tensor, side: int) -> Tensor:
    """Return which positions lie in ``[center - side // 2, center - side // 2 + side)``, ``[batch, positions]``."""
    offset = positions - center.unsqueeze(1) + side // 2
    return (offset >= 0) & (offset < side)
