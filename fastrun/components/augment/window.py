"""Shifts and mirrors images: each result is a window of the padded image, copied row by row.

A row of a window is contiguous in memory, so a single selection of rows by their start in memory does everything.
Indexing with three tensors, or choosing between an image and its mirror pixel by pixel, takes four times as long.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import pad as padded_by


def windows(x: Tensor, pad: int, border: str, row: Tensor, column: Tensor, mirrored: Tensor) -> Tensor:
    """Return a window of each padded image, of the size of the image.

    Args:
        x: ``[batch, channels, height, width]``, of any type.
        pad: pixels added on each side.
        border: what the added pixels contain: ``zeros``, or the mirrored image for ``reflect``.
        row: ``[batch]``, in ``[0, 2 * pad]``: the top row of each window; ``pad`` is the unshifted one.
        column: ``[batch]``: the leftmost column of each window, before mirroring.
        mirrored: ``[batch]``: 1 for windows to mirror left to right, otherwise 0.
    """
    count, channels, height, width = x.shape
    both = _with_mirror_images(x, pad, border)
    wide = width + 2 * pad
    line = (height + 2 * pad) * wide  # values per channel
    column = torch.where(mirrored == 1, 2 * pad - column, column)
    image = torch.arange(count, device=x.device) + count * mirrored  # the mirror images follow all images
    start = image * (channels * line) + row * wide + column
    within = torch.arange(channels, device=x.device).view(-1, 1) * line + torch.arange(height, device=x.device) * wide
    rows = (start.view(-1, 1) + within.view(1, -1)).flatten()
    flat = both.reshape(-1)
    return flat.as_strided((len(flat) - width + 1, width), (1, 1)).index_select(0, rows).view(x.shape)


def _with_mirror_images(x: Tensor, pad: int, border: str) -> Tensor:
    """Return the padded images, followed by their mirror images."""
    if pad and border == "reflect":
        exact = x if x.is_floating_point() else x.float()  # torch reflects floats only
        x = padded_by(exact, [pad] * 4, mode="reflect").to(x.dtype)
    elif pad:
        x = padded_by(x, [pad] * 4)
    return torch.cat([x, x.flip(-1)])
