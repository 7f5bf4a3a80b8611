"""Shears, shifts and rotates images by source pixels that are computed once, before any image is known.

Each pixel is a copy of the nearest source pixel, the default of PIL and torchvision, and is zero outside of the image.
"""

from __future__ import annotations

from math import cos, radians, sin

import torch
from torch import Tensor

Matrix = tuple[float, float, float, float, float, float]  # x' = a x + b y + c, y' = d x + e y + f


def shear_x(level: float, height: int, width: int) -> Matrix:
    """Return the source of ``(x, y)`` where each row moves by ``level`` times its distance from the top."""
    return 1, level, 0, 0, 1, 0


def shear_y(level: float, height: int, width: int) -> Matrix:
    """Return the source of ``(x, y)`` where each column moves by ``level`` times its distance from the left."""
    return 1, 0, 0, level, 1, 0


def translate_x(level: float, height: int, width: int) -> Matrix:
    """Return the source of ``(x, y)`` where the image moves by ``level`` times its width, in whole pixels."""
    return 1, 0, int(level * width), 0, 1, 0


def translate_y(level: float, height: int, width: int) -> Matrix:
    """Return the source of ``(x, y)`` where the image moves by ``level`` times its height, in whole pixels."""
    return 1, 0, 0, 0, 1, int(level * height)


def rotate(degrees: float, height: int, width: int) -> Matrix:
    """Return the source of ``(x, y)`` where the image rotates about its center."""
    c, s, x, y = cos(radians(degrees)), sin(radians(degrees)), width / 2, height / 2
    return c, -s, x - c * x + s * y, s, c, y - s * x - c * y


def source_pixels(matrix: Matrix, height: int, width: int) -> Tensor:
    """Return the index of each pixel's source pixel, ``[height * width]``; ``height * width`` if it is outside."""
    a, b, c, d, e, f = matrix
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    column, row = (a * x + b * y + c).floor().long(), (d * x + e * y + f).floor().long()
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    return torch.where(inside, row * width + column, height * width).flatten()


def apply_warp(x: Tensor, sources: Tensor) -> Tensor:
    """Return images composed of their source pixels.

    Args:
        x: images, ``[batch, channels, height, width]``.
        sources: the rows of :func:`source_pixels` of each image, ``[batch, height * width]``.
    """
    flat = torch.cat([x.flatten(2), x.new_zeros(*x.shape[:2], 1)], 2)
    return flat.gather(2, sources.unsqueeze(1).expand(-1, x.shape[1], -1)).view(x.shape)
