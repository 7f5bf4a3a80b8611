"""CIFAR-10: 50,000 + 10,000 photographs of 32x32 in 10 classes. Source: Krizhevsky 2009."""

from __future__ import annotations

from typing import Any

from fastrun.components.data.cifar import Cifar
from fastrun.config.constraints import BelowOne, Natural

CIFAR10 = Cifar(
    name="CIFAR-10",
    torchvision="CIFAR10",
    pickles="cifar-10-batches-py",
    binaries="cifar-10-batches-bin",
    batches={"train": [f"data_batch_{number}" for number in range(1, 6)], "test": ["test_batch"]},
    labels="labels",
    label_bytes=1,
    classes=["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"],
)


def cifar10(root: str | None = None, val_fraction: BelowOne = 0.1, split_seed: Natural = 0) -> dict[str, Any]:
    """Return images as uint8 ``[n, 3, 32, 32]`` and labels 0..9.

    ``train`` and ``val`` are split from the 50,000 images, ``test`` is the 10,000. With ``val_fraction=0`` all 50,000
    train and the 10,000 are also ``val``, as in the speedruns. Whatever is chosen by ``val``, such as the best
    checkpoint, is then chosen by the test images.

    Args:
        root: the folder of torchvision's download, of the binary version, or of images in folders; None to download
            them with torchvision.
        val_fraction: the part of the 50,000 images to validate on; 0 to validate on the test images.
        split_seed: the seed of that split.

    Raises:
        DataError: a file is missing or damaged.
    """
    return CIFAR10.load(root, val_fraction, split_seed)
