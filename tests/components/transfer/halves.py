"""Handwritten digits somewhere on a larger, noisy canvas: 0 to 4, or 5 to 9 with few of each to train on."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from fastrun.components.data.digits import digits

SIDE, COPIES, NOISE = 12, 4, 4


def lower() -> dict[str, TensorDataset]:
    """Return 0 to 4."""
    return half(0, None)


def upper(few: int = 10) -> dict[str, TensorDataset]:
    """Return 5 to 9, called 0 to 4, and ``few`` of each to train on."""
    return half(5, few)


def half(first: int, few: int | None) -> dict[str, TensorDataset]:
    """Return five classes from ``first`` on."""
    parts = {}
    whole = digits()
    for seed, name in enumerate(("train", "val", "test")):
        x, y = whole[name].tensors
        count = few if name == "train" else None
        chosen = torch.cat([(y == label).nonzero().squeeze(1)[:count] for label in range(first, first + 5)])
        parts[name] = placed(x[chosen], y[chosen] - first, seed)
    return parts


def placed(x: Tensor, y: Tensor, seed: int) -> TensorDataset:
    """Place each image ``[1, 8, 8]`` at several places of a canvas."""
    generator = torch.Generator().manual_seed(seed)
    x, y = x.repeat(COPIES, 1, 1, 1), y.repeat(COPIES)
    canvas = torch.randint(0, NOISE + 1, (len(x), 1, SIDE, SIDE), generator=generator, dtype=torch.uint8)
    corners = torch.randint(0, SIDE - 8 + 1, (len(x), 2), generator=generator).tolist()
    for image, digit, (top, left) in zip(canvas, x, corners, strict=True):
        image[:, top : top + 8, left : left + 8] += digit
    return TensorDataset(canvas, y)
