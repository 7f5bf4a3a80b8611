"""Images in folders, one folder a class: the layout of ImageNet and of most sets of one's own."""

from __future__ import annotations

import logging
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, TensorDataset

from fastrun.data.listing import LAYOUT, Listing, listed
from fastrun.data.picture import Side, check_shape, decode
from fastrun.data.room import fits_memory
from fastrun.data.split import check, parts
from fastrun.data.store import Store, store
from fastrun.errors import ConfigError, DataError

_NAMED = 5  # files or classes that a line names at most

log = logging.getLogger("fastrun")

Samples = Dataset[Any]


class Images(Dataset[tuple[Tensor, int]]):
    """Image files with their labels, decoded when asked for: ``(uint8 [3, height, width], label)``."""

    def __init__(self, paths: list[str], targets: list[int], side: Side | None, shape: tuple[int, ...]) -> None:
        self.paths, self.targets, self.side, self.shape = paths, targets, side, shape

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        path = self.paths[index]
        image = decode(path, self.side)
        check_shape(path, image.shape, self.shape)
        return torch.from_numpy(image), self.targets[index]


class Rows(Dataset[tuple[Tensor, int]]):
    """Some rows of decoded images that would take much memory to copy, with their labels."""

    def __init__(self, pixels: Tensor, rows: Tensor, targets: Tensor) -> None:
        self.pixels, self.rows, self.targets = pixels, rows, targets

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.pixels[self.rows[index]], int(self.targets[index])


def image_folder(
    root: str | None = None,
    size: int | tuple[int, int] | None = None,
    val_fraction: float = 0.1,
    split_seed: int = 0,
    cache: bool | None = None,
    skip_bad: bool = False,
) -> dict[str, Any]:
    """Return the images below ``root``, and their labels: the places of ``train``'s sorted folder names.

    Without a folder ``val``, ``val_fraction`` of each class of ``train`` becomes ``val``. Without a folder ``train``,
    the folders of ``root`` are the classes.

    Args:
        root: the folder.
        size: the height and width, one number for both: the middle of each image is cut to that shape and resized;
            None: images stay as they are, and must be all of one shape.
        val_fraction: cut from ``train`` where there is no folder ``val``.
        split_seed: decides on what is cut.
        cache: decode all images once, before the first step, and keep their pixels for later runs; None: where they
            take at most a quarter of the memory and the disk that are free.
        skip_bad: leave out files that are no image or damaged, and say so, instead of ending there.

    Raises:
        ConfigError: ``root`` is not set, or another argument does not fit.
        DataError: there are no images, or not in one folder a class, or one cannot be used.
        StorageError: ``cache=True``, and there is no room for the pixels.
    """
    if root is None:
        raise ConfigError("data.root is not set", LAYOUT)
    side, found = _side(size), listed(Path(root).expanduser(), skip_bad)
    check({"val": val_fraction})  # here, too: decoding may take minutes
    if len(found.classes) < 2:
        raise DataError(f"the data has one class only: {found.classes[0]}", LAYOUT)
    images = store(found, side, cache, skip_bad)
    about = _skipped(images.found) if skip_bad else {}
    made = assembled(images, side, val_fraction, split_seed)
    return made | {"about": made["about"] | about}


def assembled(images: Store, side: Side | None, val_fraction: float, split_seed: int) -> dict[str, Any]:
    """Return a folder's parts, ``val`` cut from ``train`` where there is none, and what there is to say of them."""
    sets = _sets(images, side)
    about: dict[str, Any] = {"decoded": images.how}
    if "val" not in sets:
        sets |= _cut(images, sets["train"], val_fraction, split_seed, about)
    return sets | {"classes": images.found.classes, "about": about}


def _side(size: int | tuple[int, int] | None) -> Side | None:
    side = (size, size) if isinstance(size, int) else size
    if side is not None and min(side) < 1:
        raise ConfigError(f"data.size={size} is too small", "the least is 1")
    return side


def _skipped(found: Listing) -> dict[str, Any]:
    """Return what a run directory should say of the files that are left out, and say it now, too."""
    reasons = list(found.skipped.values())
    if reasons:
        count, total = len(reasons), len(reasons) + len(found.paths)
        log.warning(f"data.skip_bad=true: {count:,} of {total:,} files are left out, the first: {reasons[0]}")
    return {"skipped": len(reasons), "skipped_files": reasons[:_NAMED]}


def _sets(images: Store, side: Side | None) -> dict[str, Samples]:
    sets: dict[str, Samples] = {}
    low = 0
    for name, (paths, labels) in images.found.parts.items():
        if images.pixels is None:
            sets[name] = Images(paths, labels, side, images.shape)
        else:
            sets[name] = TensorDataset(images.pixels[low : low + len(paths)], torch.tensor(labels))
        low += len(paths)
    return sets


def _cut(images: Store, train: Samples, fraction: float, seed: int, about: dict[str, Any]) -> dict[str, Samples]:
    labels = torch.tensor(images.found.parts["train"][1])
    chosen = parts(labels, {"val": fraction}, seed)
    counts, seen = (torch.bincount(y, minlength=len(images.found.classes)) for y in (labels, labels[chosen["val"]]))
    unseen = {images.found.classes[label]: int(counts[label]) for label in (seen == 0).nonzero().flatten().tolist()}
    if unseen and fraction > 0:
        told = ", ".join(f"{name} ({count})" for name, count in islice(unseen.items(), _NAMED))
        more = ", …" if len(unseen) > _NAMED else ""
        log.warning(f"too few images for data.val_fraction={fraction}, so trained on but not validated: {told}{more}")
        about["not_validated"] = list(unseen)
    return {name: _rows(train, indices) for name, indices in chosen.items()}


def _rows(train: Samples, indices: Tensor) -> Samples:
    if isinstance(train, Images):
        places = indices.tolist()
        return Images([train.paths[i] for i in places], [train.targets[i] for i in places], train.side, train.shape)
    assert isinstance(train, TensorDataset)
    pixels, labels = train.tensors
    if fits_memory(len(indices) * pixels[0].numel()):
        return TensorDataset(pixels[indices], labels[indices])
    return Rows(pixels, indices, labels[indices])
