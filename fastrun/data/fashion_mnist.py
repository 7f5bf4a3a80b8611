"""Fashion-MNIST, 60,000 + 10,000 images of 28x28. Source: Xiao et al. 2017 (MIT licence)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fastrun.data.idx import Idx

_CLASSES = "T-shirt/top, Trouser, Pullover, Dress, Coat, Sandal, Shirt, Sneaker, Bag, Ankle boot"
_FASHION = Idx("Fashion-MNIST", "FashionMNIST", _CLASSES.split(", "), Path("/usr/share/datasets/fashion-mnist"))


def fashion_mnist(root: str | None = None, val_fraction: float = 1 / 12, split_seed: int = 0) -> dict[str, Any]:
    """Return images as uint8 ``[n, 1, 28, 28]`` and labels 0..9; ``val`` is cut from the 60,000, ``test`` the 10,000.

    The four idx files, gzipped or not, are taken from ``root``; without one from Debian's ``dataset-fashion-mnist``,
    then from torchvision's download.

    Raises:
        DataError: a file is missing or broken.
    """
    return _FASHION.load(root, val_fraction, split_seed)
