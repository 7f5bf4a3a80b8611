"""Packs a folder of images: the bytes of their files as they are, or pixels of one size."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fastrun.components.data.listing import LAYOUT, Files, Listing, list_images
from fastrun.components.data.moments import moments
from fastrun.components.data.packed.manifest import Manifest
from fastrun.components.data.packed.options import PackOptions
from fastrun.components.data.packed.shards import write_shards
from fastrun.components.data.picture import BadImage, Pixels, Size, decode_bytes, printable
from fastrun.components.data.progress import show_progress
from fastrun.components.data.stratified_split import check_fractions, split_indices
from fastrun.components.task import Task
from fastrun.errors import DataError
from fastrun.system.cores import allowed_cores
from fastrun.system.seed import generator

_AHEAD = 8  # images of each thread that are read before their turn
_LEVELS = np.arange(256, dtype=np.int64)


@dataclass(frozen=True)
class _Read:
    """An image: what is kept of it, its shape, and how many of its pixels have each value, ``[3, 256]``."""

    kept: Any
    shape: tuple[int, ...]
    counts: NDArray[np.int64]


@dataclass
class _Found:
    """What is known of the images that were packed.

    Attributes:
        shapes: the shapes of all images, up to two.
        counts: how many pixels of the training images have each value, ``[3, 256]``.
        skipped: why images were left out.
    """

    shapes: set[tuple[int, ...]] = field(default_factory=set)
    counts: NDArray[np.int64] = field(default_factory=lambda: np.zeros((3, 256), np.int64))
    skipped: list[str] = field(default_factory=list)

    def moments(self) -> tuple[list[float], list[float]]:
        """Return the mean and the standard deviation of each channel of the training images."""
        total, squares = (torch.tensor(self.counts @ values, dtype=torch.double) for values in (_LEVELS, _LEVELS**2))
        mean, deviation = moments(int(self.counts[0].sum()), total, squares)
        return mean.tolist(), deviation.tolist()


def pack_images(source: Path, out: Path, options: PackOptions) -> Manifest:
    """Write the images of a folder as shards, the training images in random order.

    Each image is decoded once, to see that it can be, and for mean and deviation of the channels.

    Args:
        source: the folder, as ``data=image_folder`` takes it.
        out: the folder of the pack.
        options: how to pack.

    Raises:
        DataError: there are no images in folders of classes, or one cannot be used.
        StorageError: a shard cannot be written.
    """
    fractions = options.fractions(0.1, 0.1)
    check_fractions(fractions)
    listing = list_images(source, options.skip_bad)
    if len(listing.classes) < 2:
        raise DataError(f"the data has one class only: {listing.classes[0]}", LAYOUT)
    found, splits, shards = _Found(skipped=list(listing.skipped.values())), _split(listing, fractions, options.seed), {}
    with show_progress("packing images", sum(len(paths) for paths, _ in splits.values())) as on_progress:
        for name, (paths, labels) in splits.items():
            samples = _samples(name, zip(paths, labels, strict=True), options, found, on_progress)
            shards[name] = write_shards(out, name, samples, options.shard_bytes)
    mean, deviation = found.moments()
    return Manifest(
        kind="files" if options.size is None else "pixels",
        shape=next(iter(found.shapes)) if len(found.shapes) == 1 else None,
        classes=listing.classes,
        task=asdict(Task("classification", len(listing.classes))),
        splits=shards,
        mean=mean,
        deviation=deviation,
        encoding={"size": options.size and list(options.size)},
        about={"source": str(source), "skipped": len(found.skipped)},
    )


def _split(listing: Listing, fractions: dict[str, float], seed: int) -> dict[str, Files]:
    """Return the files of each split as ``data=image_folder`` splits them, those of ``train`` in random order."""
    splits = dict(listing.splits)
    missing = {name: value for name, value in fractions.items() if (value > 0 or name == "val") and name not in splits}
    if missing:
        paths, labels = splits["train"]
        indices = split_indices(torch.tensor(labels), missing, seed)
        splits |= {
            name: ([paths[index] for index in own], [labels[index] for index in own])
            for name, own in ((name, own.tolist()) for name, own in indices.items())
            if own or name != "test"
        }
    if not splits["val"][0]:
        raise DataError(f"{listing.root} has too few images to validate on", "increase --val-fraction")
    paths, labels = splits["train"]
    order = torch.randperm(len(paths), generator=generator(seed, "pack")).tolist()
    train = [paths[index] for index in order], [labels[index] for index in order]
    return {"train": train} | {name: splits[name] for name in ("val", "test") if name in splits}


def _samples(
    split: str,
    images: Iterable[tuple[str, int]],
    options: PackOptions,
    found: _Found,
    on_progress: Callable[[int], None],
) -> Iterator[tuple[Any, int]]:
    """Yield what is kept of each image with its label, and note what is known of it."""
    for label, future in _ahead(partial(_read, size=options.size), images):
        on_progress(1)
        try:
            image = future.result()
        except BadImage as error:
            if not options.skip_bad:
                raise
            found.skipped.append(error.message)
            continue
        if len(found.shapes) < 2:
            found.shapes.add(image.shape)
        if split == "train":
            found.counts += image.counts
        yield image.kept, label


def _ahead(read: Callable[[str], _Read], images: Iterable[tuple[str, int]]) -> Iterator[tuple[int, Future[_Read]]]:
    """Yield the label of each image, and what threads that read ahead have made of it, in the order of the images."""
    threads = allowed_cores()
    pool = ThreadPoolExecutor(threads)
    waiting: deque[tuple[int, Future[_Read]]] = deque()
    try:
        for path, label in images:
            waiting.append((label, pool.submit(read, path)))
            if len(waiting) > _AHEAD * threads:
                yield waiting.popleft()
        while waiting:
            yield waiting.popleft()
    finally:
        pool.shutdown(cancel_futures=True)


def _read(path: str, size: Size | None) -> _Read:
    """Read and decode an image.

    Raises:
        BadImage: it cannot be decoded.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        problem = f"{printable(path)} cannot be read: {error.strerror}"
        raise BadImage(problem, "make it readable, or remove it") from error
    pixels = decode_bytes(content, path, size)
    kept = content if size is None else torch.from_numpy(pixels)
    return _Read(kept, pixels.shape, _counts(pixels))


def _counts(pixels: Pixels) -> NDArray[np.int64]:
    """Return how many pixels have each value, ``[3, 256]``."""
    return np.stack([np.bincount(channel.reshape(-1), minlength=256) for channel in pixels])
