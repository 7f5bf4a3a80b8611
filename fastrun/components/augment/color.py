"""Color operations on uint8 images ``[batch, channels, height, width]``, each image with its own factor ``[batch]``.

They follow PIL's ``ImageEnhance`` and ``ImageOps``. A factor of 1 leaves an image unchanged, 0 removes the property,
and a factor above 1 increases it.
"""

from __future__ import annotations

import torch
from torch import Tensor

_LUMA = 0.2989, 0.587, 0.114  # weights of red, green and blue in the brightness (ITU-R 601-2)


def contrast(x: Tensor, factor: Tensor) -> Tensor:
    """Return images blended with, or moved away from, their mean gray."""
    mean = _gray(x).double().mean((1, 2, 3), keepdim=True)  # of whole numbers, so exact in any order of summation
    return _blend(x, mean.float(), factor)


def saturation(x: Tensor, factor: Tensor) -> Tensor:
    """Return images blended with, or moved away from, their gray versions; they must have three channels to change."""
    return _blend(x, _gray(x), factor) if x.shape[1] == 3 else x


def sharpness(x: Tensor, factor: Tensor) -> Tensor:
    """Return images blended with, or moved away from, their smoothed versions; the outermost pixels are unchanged."""
    if min(x.shape[-2:]) < 3:
        return x
    values = x.int()
    rows = values[..., :-2, :] + values[..., 1:-1, :] + values[..., 2:, :]
    box = rows[..., :-2] + rows[..., 1:-1] + rows[..., 2:]
    smooth = x.float()
    smooth[..., 1:-1, 1:-1] = ((box + 4 * values[..., 1:-1, 1:-1]) / 13).round()
    return _blend(x, smooth, factor)


def autocontrast(x: Tensor) -> Tensor:
    """Return images with each channel stretched to the range from 0 to 255."""
    values = x.float()
    low, high = values.amin((2, 3), keepdim=True), values.amax((2, 3), keepdim=True)
    stretched = _to_bytes((values - low) / ((high - low) / 255))
    return torch.where(high > low, stretched, x)  # a channel of a single value is unchanged


def equalize(x: Tensor) -> Tensor:
    """Return images whose values are about uniformly distributed in each channel (histogram equalization)."""
    values = x.flatten(2).long()
    counts = values.new_zeros(*values.shape[:2], 256).scatter_add_(2, values, torch.ones_like(values))
    last = counts.gather(2, values.amax(2, keepdim=True))
    step = (values.shape[2] - last).div(255, rounding_mode="floor")  # pixels per new value
    below = counts.cumsum(2) - counts
    table = (below + step // 2).div(step.clamp_min(1), rounding_mode="floor").clamp(max=255)
    return torch.where(step > 0, table.gather(2, values), values).to(torch.uint8).view(x.shape)


def look_up(x: Tensor, table: Tensor) -> Tensor:
    """Return images with each value replaced by its entry in the image's table; ``table`` is ``[batch, 256]``."""
    tables = table.unsqueeze(1).expand(-1, x.shape[1], -1)
    return tables.gather(2, x.flatten(2).long()).view(x.shape)


def brightness(factor: float) -> Tensor:
    """Return the table that multiplies values by a factor, ``[256]``."""
    return _to_bytes(torch.arange(256) * factor)


def posterize(bits: int) -> Tensor:
    """Return the table that keeps the highest ``bits`` of the eight bits of a value, ``[256]``."""
    return (torch.arange(256) & (256 - (1 << (8 - bits)))).to(torch.uint8)


def solarize(threshold: float) -> Tensor:
    """Return the table that inverts values at and above the threshold, ``[256]``."""
    values = torch.arange(256)
    return torch.where(values >= threshold, 255 - values, values).to(torch.uint8)


def _gray(x: Tensor) -> Tensor:
    """Return the brightness in whole numbers, ``[batch, 1, height, width]``."""
    if x.shape[1] != 3:
        return x.float().mean(1, keepdim=True).floor()
    red, green, blue = x[:, :1], x[:, 1:2], x[:, 2:]
    return (_LUMA[0] * red + _LUMA[1] * green + _LUMA[2] * blue).floor()


def _blend(x: Tensor, other: Tensor, factor: Tensor) -> Tensor:
    factor = factor.view(-1, 1, 1, 1)
    return _to_bytes(factor * x + (1 - factor) * other)


def _to_bytes(values: Tensor) -> Tensor:
    return values.clamp(0, 255).to(torch.uint8)
