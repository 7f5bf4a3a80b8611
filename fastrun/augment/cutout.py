"""Cutout. Source: DeVries & Taylor 2017, "Improved regularization of convolutional neural networks with Cutout"."""

from __future__ import annotations

import torch
from torch import Tensor


def cut(x: Tensor, side: int, row: Tensor, column: Tensor) -> Tensor:
    """Return images ``[batch, channels, height, width]`` with a square of zeros each.

    The squares, ``side`` pixels wide, are centred at pixels ``(row, column)`` and may reach past the edge.
    """
    height, width = x.shape[-2:]
    rows = _within(torch.arange(height, device=x.device), row, side)
    columns = _within(torch.arange(width, device=x.device), column, side)
    return x * ~(rows.unsqueeze(2) & columns.unsqueeze(1)).unsqueeze(1)


def _within(places: Tensor, centre: Tensor, side: int) -> Tensor:
    """Return ``[batch, places]``: which lie in ``[centre - side // 2, centre - side // 2 + side)``."""
    offset = places - centre.unsqueeze(1) + side // 2
    return (offset >= 0) & (offset < side)
