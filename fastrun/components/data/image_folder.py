"""Images in folders, one folder per class: the layout of ImageNet and of most image data sets."""

from __future__ import annotations

import logging
import os
from hashlib import blake2b
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from fastrun.components.data.fingerprint import listing_fingerprint
from fastrun.components.data.learned import NEW, DataState
from fastrun.components.data.listing import LAYOUT, Listing, list_images, relative_sizes
from fastrun.components.data.picture import Size, check_shape, decode
from fastrun.components.data.sample_names import NamedSamples
from fastrun.components.data.store import ImageStore, open_store
from fastrun.components.data.stratified_split import check_fractions, split_indices
from fastrun.config.constraints import BelowOne, Count, Natural
from fastrun.errors import ConfigError, DataError
from fastrun.system.free_space import fits_memory

_LISTED = 5  # files or classes that a line names at most

log = logging.getLogger("fastrun")

Samples = Dataset[Any]


class ImageFiles(Dataset[tuple[Tensor, int]]):
    """Image files with their labels, decoded when needed: ``(uint8 [3, height, width], label)``."""

    def __init__(self, paths: list[str], targets: list[int], size: Size | None, shape: tuple[int, ...]) -> None:
        self.sample_names, self.targets, self.size, self.shape = paths, targets, size, shape

    def __len__(self) -> int:
        return len(self.sample_names)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        path = self.sample_names[index]
        image = decode(path, self.size)
        check_shape(path, image.shape, self.shape)
        return torch.from_numpy(image), self.targets[index]

    def subset(self, indices: list[int]) -> ImageFiles:
        """Return some of the files."""
        paths, targets = [self.sample_names[index] for index in indices], [self.targets[index] for index in indices]
        return ImageFiles(paths, targets, self.size, self.shape)


class ImageRows(Dataset[tuple[Tensor, int]]):
    """Some rows of decoded images that would take much memory to copy, with their labels."""

    def __init__(self, pixels: Tensor, rows: Tensor, targets: Tensor, names: list[str]) -> None:
        self.pixels, self.rows, self.targets, self.sample_names = pixels, rows, targets, names

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.pixels[self.rows[index]], int(self.targets[index])


def image_folder(
    root: str | None = None,
    size: Count | tuple[Count, Count] | None = None,
    val_fraction: BelowOne = 0.1,
    test_fraction: BelowOne = 0.1,
    split_seed: Natural = 0,
    cache: bool | None = None,
    skip_bad: bool = False,
    learned: DataState | None = None,
) -> dict[str, Any]:
    """Return the images below ``root``, labeled by the positions of the sorted folder names in ``train``.

    Without a folder ``val``, ``val_fraction`` of each class of ``train`` becomes ``val``; without a folder ``test``,
    ``test_fraction`` becomes ``test``. Without a folder ``train``, the folders of ``root`` are the classes.

    Args:
        root: the folder.
        size: the height and width, or one number for both, for which each image is cropped at its center and resized;
            None to keep the images as they are, which then must all have one shape.
        val_fraction: the part of ``train`` to validate on if there is no folder ``val``.
        test_fraction: the part of ``train`` to test on if there is no folder ``test``; 0 for no test set.
        split_seed: the seed of these splits.
        cache: decode all images once, before the first step, and keep their pixels for later runs; None to do so if
            they take at most a quarter of the free memory and of the free disk.
        skip_bad: leave out files that are not images or are damaged and report them, instead of failing.
        learned: what a run learned from its data, whose size, classes and split are used again.

    Raises:
        ConfigError: ``root`` is not set, or another argument is out of its range.
        DataError: there are no images, or not in one folder per class, or one of them cannot be used.
        StorageError: ``cache=True``, and there is no room for the pixels.
    """
    image_size = (size, size) if isinstance(size, int) else size
    fractions = {"val": val_fraction, "test": test_fraction}
    store = open_store(_list_classes(root, fractions, skip_bad, learned), image_size, cache, skip_bad)
    about = _report_skipped(store.listing) if skip_bad else {}
    if learned is not None and learned.is_new:
        splits = _new_part(store, image_size)
    else:
        splits = build_splits(store, image_size, fractions, split_seed, learned.split if learned is not None else None)
    fingerprint = listing_fingerprint(relative_sizes(store.listing))
    encoding = {"size": image_size and list(image_size)}
    return splits | {"fingerprint": fingerprint, "encoding": encoding, "about": splits.get("about", {}) | about}


def _list_classes(root: str | None, fractions: dict[str, float], skip_bad: bool, learned: DataState | None) -> Listing:
    """Return the files of at least two classes, after all checks that need no decoding, which may take minutes."""
    if root is None:
        raise ConfigError("data.root is not set", LAYOUT)
    listing = list_images(Path(root).expanduser(), skip_bad, learned.classes if learned is not None else None)
    check_fractions(fractions)
    if len(listing.classes) < 2:
        raise DataError(f"the data has one class only: {listing.classes[0]}", LAYOUT)
    return listing


def build_splits(
    store: ImageStore,
    size: Size | None,
    fractions: dict[str, float],
    split_seed: int,
    learned: dict[str, Tensor] | None = None,
) -> dict[str, Any]:
    """Return the splits of a folder, what to record about them, and the names of the classes.

    Args:
        store: the images.
        size: the height and width to resize images to that are not decoded yet; None to keep them as they are.
        fractions: the part of ``train`` for ``val`` and ``test``, where there is no such folder.
        split_seed: the seed of that split.
        learned: the split of a run: the hash of the name of each image that is not in ``train``; None to split anew.
    """
    splits = _datasets(store, size)
    about: dict[str, Any] = {"decoded": store.decoded}
    wanted = [name for name, fraction in fractions.items() if fraction > 0 or name == "val"]
    missing = {name: fractions[name] for name in wanted if name not in splits}
    split: dict[str, Tensor] = {}
    if missing:
        paths, labels = store.listing.splits["train"]
        hashes = _hash_names(store.listing.root, paths)
        if learned is None:
            indices = split_indices(torch.tensor(labels), missing, split_seed)
            _report_not_validated(store.listing, indices, fractions["val"], about)
        else:
            indices = _learned_indices(hashes, learned)
        if not len(indices.get("test", ())):  # there are too few images for a test set
            indices.pop("test", None)
        split = {name: hashes[own] for name, own in indices.items() if name != "train"}
        splits |= {name: _select(splits["train"], own) for name, own in indices.items()}
    return splits | {"classes": store.listing.classes, "about": about, "split": split}


def _hash_names(root: Path, paths: list[str]) -> Tensor:
    """Return a hash of the name of each file, relative to the root, as int64 ``[files]``."""
    prefix = len(str(root)) + 1
    names = (os.fsencode(path[prefix:].replace(os.sep, "/")) for path in paths)
    digests = b"".join(blake2b(name, digest_size=8).digest() for name in names)
    return torch.frombuffer(bytearray(digests), dtype=torch.int64)


def _learned_indices(hashes: Tensor, learned: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the indices of the images in each split of a run; images that the run did not have are in ``train``."""
    masks = {name: torch.isin(hashes, own) for name, own in learned.items()}
    masks["train"] = ~torch.isin(hashes, torch.cat([hashes[:0], *learned.values()]))
    return {name: mask.nonzero().squeeze(1) for name, mask in masks.items()}


def _new_part(store: ImageStore, size: Size | None) -> dict[str, Any]:
    """Return the images of a folder that is not the run's own: its ``test`` folder if it has one, otherwise all."""
    splits = _datasets(store, size)
    return {NEW: splits.get("test", splits["train"]), "classes": store.listing.classes}


def _report_skipped(listing: Listing) -> dict[str, Any]:
    """Log that files are left out, and return what the run directory should record about them."""
    reasons = list(listing.skipped.values())
    if reasons:
        count, total = len(reasons), len(reasons) + len(listing.paths)
        log.warning(f"data.skip_bad=true: {count:,} of {total:,} files are left out, the first: {reasons[0]}")
    return {"skipped": len(reasons), "skipped_files": reasons[:_LISTED]}


def _datasets(store: ImageStore, size: Size | None) -> dict[str, Samples]:
    """Return each split of the listing as a data set."""
    datasets: dict[str, Samples] = {}
    low = 0
    for name, (paths, labels) in store.listing.splits.items():
        if store.pixels is None:
            datasets[name] = ImageFiles(paths, labels, size, store.shape)
        else:
            datasets[name] = NamedSamples(store.pixels[low : low + len(paths)], torch.tensor(labels), paths)
        low += len(paths)
    return datasets


def _report_not_validated(listing: Listing, indices: dict[str, Tensor], fraction: float, about: dict[str, Any]) -> None:
    """Log classes that are too small to be validated, and add them to ``about``."""
    if "val" not in indices:
        return
    labels = torch.tensor(listing.splits["train"][1])
    unseen = _unseen_classes(listing.classes, labels, labels[indices["val"]])
    if unseen:
        names = ", ".join(f"{name} ({count})" for name, count in islice(unseen.items(), _LISTED))
        more = ", …" if len(unseen) > _LISTED else ""
        log.warning(
            f"data.val_fraction={fraction} leaves no image to validate these classes, which are only trained on: "
            f"{names}{more}"
        )
        about["not_validated"] = list(unseen)


def _unseen_classes(classes: list[str], labels: Tensor, val_labels: Tensor) -> dict[str, int]:
    """Return the classes without an image in ``val``, each with its number of images."""
    counts, val_counts = (torch.bincount(y, minlength=len(classes)) for y in (labels, val_labels))
    return {classes[label]: int(counts[label]) for label in (val_counts == 0).nonzero().flatten().tolist()}


def _select(train: Samples, indices: Tensor) -> Samples:
    if isinstance(train, ImageFiles):
        return train.subset(indices.tolist())
    assert isinstance(train, NamedSamples)
    pixels, labels = train.tensors
    names = [train.sample_names[index] for index in indices.tolist()]
    if fits_memory(len(indices) * pixels[0].numel()):
        return NamedSamples(pixels[indices], labels[indices], names)
    return ImageRows(pixels, indices, labels[indices], names)
