"""CIFAR-100: 50,000 + 10,000 photographs of 32x32 in 100 classes. Source: Krizhevsky 2009."""

from __future__ import annotations

from typing import Any

from fastrun.components.data.cifar import Cifar
from fastrun.config.constraints import BelowOne, Natural

_CLASSES = """
    apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can
    castle caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin
    elephant flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster
    man maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck
    pine_tree plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk
    skyscraper snail snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger
    tractor train trout tulip turtle wardrobe whale willow_tree wolf woman worm
"""

CIFAR100 = Cifar(
    name="CIFAR-100",
    torchvision="CIFAR100",
    pickles="cifar-100-python",
    binaries="cifar-100-binary",
    batches={"train": ["train"], "test": ["test"]},
    labels="fine_labels",
    label_bytes=2,  # one of the 20 coarse classes, then one of the 100
    classes=_CLASSES.split(),
)


def cifar100(root: str | None = None, val_fraction: BelowOne = 0.1, split_seed: Natural = 0) -> dict[str, Any]:
    """Return images as uint8 ``[n, 3, 32, 32]`` and the fine labels 0..99.

    The splits and the formats of the files are those of :func:`fastrun.components.data.cifar10.cifar10`.

    Args:
        root: the folder of the files; None to download them with torchvision.
        val_fraction: the part of the 50,000 images to validate on; 0 to validate on the test images.
        split_seed: the seed of that split.

    Raises:
        DataError: a file is missing or damaged.
    """
    return CIFAR100.load(root, val_fraction, split_seed)
