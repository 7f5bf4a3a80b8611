"""Shearing, shifting and turning images: where each pixel of the changed image comes from, known before any image is.

The pixel is the nearest one, as PIL and torchvision take it by default; what comes from outside the image is zero.
"""

from __future__ import annotations

from math import cos, radians, sin

import torch
from torch import Tensor

Matrix = tuple[float, float, float, float, float, float]  # x' = a x + b y + c, y' = d x + e y + f


def shear_x(level: float, height: int, width: int) -> Matrix:
    """Return where ``(x, y)`` comes from: rows move by ``level`` of their distance from the top."""
    return 1, level, 0, 0, 1, 0


def shear_y(level: float, height: int, width: int) -> Matrix:
    """Return where ``(x, y)`` comes from: columns move by ``level`` of their distance from the left."""
    return 1, 0, 0, level, 1, 0


def translate_x(level: float, height: int, width: int) -> Matrix:
    """Return where ``(x, y)`` comes from: the image moves by whole pixels, ``level`` of its width."""
    return 1, 0, int(level * width), 0, 1, 0


def translate_y(level: float, height: int, width: int) -> Matrix:
    """Return where ``(x, y)`` comes from: the image moves by whole pixels, ``level`` of its height."""
    return 1, 0, 0, 0, 1, int(level * height)


def rotate(degrees: float, height: int, width: int) -> Matrix:
    """Return where ``(x, y)`` comes from: the image turns about its centre."""
    c, s, x, y = cos(radians(degrees)), sin(radians(degrees)), width / 2, height / 2
    return c, -s, x - c * x + s * y, s, c, y - s * x - c * y


def sources(matrix: Matrix, height: int, width: int) -> Tensor:
    """Return ``[height * width]``: which pixel comes to each place, or ``height * width`` for one from outside."""
    a, b, c, d, e, f = matrix
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    column, row = (a * x + b * y + c).floor().long(), (d * x + e * y + f).floor().long()
    inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
    return torch.where(inside, row * width + column, height * width).flatten()


def warped(x: Tensor, places: Tensor) -> Tensor:
    """Return images ``[batch, channels, height, width]`` made of the pixels at ``places``, ``[batch, pixels]``."""
    flat = torch.cat([x.flatten(2), x.new_zeros(*x.shape[:2], 1)], 2)
    return flat.gather(2, places.unsqueeze(1).expand(-1, x.shape[1], -1)).view(x.shape)
