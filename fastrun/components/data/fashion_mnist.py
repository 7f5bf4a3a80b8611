"""Fashion-MNIST: 60,000 + 10,000 images of 28x28. Source: Xiao et al. 2017 (MIT license)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastrun.components.data.idx import Idx
from fastrun.config.constraints import BelowOne, Natural

_CLASSES = "T-shirt/top, Trouser, Pullover, Dress, Coat, Sandal, Shirt, Sneaker, Bag, Ankle boot"
FASHION_MNIST = Idx("Fashion-MNIST", "FashionMNIST", _CLASSES.split(", "), Path("/usr/share/datasets/fashion-mnist"))


def fashion_mnist(root: str | None = None, val_fraction: BelowOne = 1 / 12, split_seed: Natural = 0) -> dict[str, Any]:
    """Return images as uint8 ``[n, 1, 28, 28]`` and labels 0..9.

    ``train`` and ``val`` are split from the 60,000 images, ``test`` is the 10,000.

    Args:
        root: the folder of the four idx files, gzipped or not; None for those of Debian's package
            ``dataset-fashion-mnist`` or, without it, to download them with torchvision.
        val_fraction: the part of the 60,000 images to validate on.
        split_seed: the seed of that split.

    Raises:
        DataError: a file is missing or damaged.
    """
    return FASHION_MNIST.load(root, val_fraction, split_seed)
