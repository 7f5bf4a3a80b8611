"""Shifting and mirroring images: each is a window of its padded self, copied row by row.

Indexing with three tensors, and choosing between an image and its mirror pixel by pixel, take four times as long: a
window's rows lie in one piece in memory, so a single selection of rows, by where in memory they start, does it all.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad as padded_by


def windows(x: Tensor, pad: int, border: str, row: Tensor, column: Tensor, mirrored: Tensor) -> Tensor:
    """Return the images seen through windows of their own size.

    Args:
        x: ``[batch, channels, height, width]``, of any type.
        pad: pixels added at each side.
        border: ``zeros`` or ``reflect``: what they hold.
        row: ``[batch]``, in ``[0, 2 pad]``: where each window starts; ``pad`` is the middle.
        column: the same from left to right, before mirroring.
        mirrored: ``[batch]``, 1 for windows to mirror left to right.
    """
    count, channels, height, width = x.shape
    sides = _sides(x, pad, border)
    wide = width + 2 * pad
    line = (height + 2 * pad) * wide  # elements of a channel
    column = torch.where(mirrored == 1, 2 * pad - column, column)
    image = torch.arange(count, device=x.device) + count * mirrored  # mirrored ones lie behind all others
    start = image * (channels * line) + row * wide + column
    within = torch.arange(channels, device=x.device).view(-1, 1) * line + torch.arange(height, device=x.device) * wide
    rows = (start.view(-1, 1) + within.view(1, -1)).flatten()
    flat = sides.reshape(-1)
    return flat.as_strided((len(flat) - width + 1, width), (1, 1)).index_select(0, rows).view(x.shape)


def _sides(x: Tensor, pad: int, border: str) -> Tensor:
    """Return the padded images, and behind them their mirror images."""
    if pad and border == "reflect":
        exact = x if x.is_floating_point() else x.float()  # torch reflects floats only
        x = padded_by(exact, [pad] * 4, mode="reflect").to(x.dtype)
    elif pad:
        x = padded_by(x, [pad] * 4)
    return torch.cat([x, x.flip(-1)])
