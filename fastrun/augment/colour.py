"""Changing the colours of images of bytes ``[batch, channels, height, width]``, each image by a factor of its own.

They are PIL's operations. A factor of 1 leaves an image as it is; 0 takes the property away, more than 1 adds to it.
"""

from __future__ import annotations

import torch
from torch import Tensor

_LUMA = 0.2989, 0.587, 0.114  # what red, green and blue bring to brightness (ITU-R 601-2)


def contrast(x: Tensor, factor: Tensor) -> Tensor:
    """Return images drawn towards, or away from, their mean grey."""
    mean = _grey(x).double().mean((1, 2, 3), keepdim=True)  # of whole numbers: exact, however it is summed
    return _blended(x, mean.float(), factor)


def color(x: Tensor, factor: Tensor) -> Tensor:
    """Return images drawn towards, or away from, their greys; what has no three channels has no colour."""
    return _blended(x, _grey(x), factor) if x.shape[1] == 3 else x


def sharpness(x: Tensor, factor: Tensor) -> Tensor:
    """Return images drawn towards, or away from, their smoothed selves; the outermost pixels stay."""
    if min(x.shape[-2:]) < 3:
        return x
    values = x.int()
    rows = values[..., :-2, :] + values[..., 1:-1, :] + values[..., 2:, :]
    box = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]
    smooth = x.float()
    smooth[..., 1:-1, 1:-1] = ((box + 4 * values[..., 1:-1, 1:-1]) / 13).round()
    return _blended(x, smooth, factor)


def autocontrast(x: Tensor) -> Tensor:
    """Return images whose every channel goes from 0 to 255."""
    values = x.float()
    low, high = values.amin((2, 3), keepdim=True), values.amax((2, 3), keepdim=True)
    stretched = _bytes((values - low) / ((high - low) / 255))
    return torch.where(high > low, stretched, x)  # a channel of one value stays


def equalize(x: Tensor) -> Tensor:
    """Return images in which every channel has about as many pixels of each value as of any other."""
    values = x.flatten(2).long()
    counts = values.new_zeros(*values.shape[:2], 256).scatter_add_(2, values, torch.ones_like(values))
    last = counts.gather(2, values.amax(2, keepdim=True))
    step = (values.shape[2] - last).div(255, rounding_mode="floor")  # pixels that share a new value
    below = counts.cumsum(2) - counts
    table = (below + step // 2).div(step.clamp_min(1), rounding_mode="floor").clamp(max=255)
    return torch.where(step > 0, table.gather(2, values), values).to(torch.uint8).view(x.shape)


def looked_up(x: Tensor, table: Tensor) -> Tensor:
    """Return images whose every value is replaced by what stands at it in their tables, ``[batch, 256]``."""
    tables = table.unsqueeze(1).expand(-1, x.shape[1], -1)
    return tables.gather(2, x.flatten(2).long()).view(x.shape)


def brightness(factor: float) -> Tensor:
    """Return the table that multiplies values."""
    return _bytes(torch.arange(256) * factor)


def posterize(bits: int) -> Tensor:
    """Return the table that keeps the highest ``bits`` of eight."""
    return (torch.arange(256) & (256 - (1 << (8 - bits)))).to(torch.uint8)


def solarize(threshold: float) -> Tensor:
    """Return the table that turns values at and above the threshold round."""
    values = torch.arange(256)
    return torch.where(values >= threshold, 255 - values, values).to(torch.uint8)


def _grey(x: Tensor) -> Tensor:
    """Return the brightness, ``[batch, 1, height, width]``, in whole numbers."""
    if x.shape[1] != 3:
        return x.float().mean(1, keepdim=True).floor()
    red, green, blue = x[:, :1], x[:, 1:2], x[:, 2:]
    return (_LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue).floor()


def _blended(x: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    factor = factor.view(-1, 1, 1, 1)
    return _bytes(factor * x + (1 - factor) * other)


def _bytes(values: Tensor) -> Tensor:
    return values.clamp(0, 255).to(torch.uint8)
