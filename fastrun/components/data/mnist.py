"""MNIST: 60,000 + 10,000 handwritten digits of 28x28. Source: LeCun, Cortes & Burges 1998."""

from __future__ import annotations

from typing import Any

from fastrun.components.data.idx import Idx
from fastrun.config.constraints import BelowOne, Natural

MNIST = Idx("MNIST", "MNIST", [str(digit) for digit in range(10)])


def mnist(root: str | None = None, val_fraction: BelowOne = 1 / 12, split_seed: Natural = 0) -> dict[str, Any]:
    """Return images as uint8 ``[n, 1, 28, 28]`` and labels 0..9.

    ``train`` and ``val`` are split from the 60,000 images, ``test`` is the 10,000.

    Args:
        root: the folder of the four idx files, gzipped or not; None to download them with torchvision.
        val_fraction: the part of the 60,000 images to validate on.
        split_seed: the seed of that split.

    Raises:
        DataError: a file is missing or damaged.
    """
    return MNIST.load(root, val_fraction, split_seed)
