"""Decoding an image folder: images a second, and how many of the cores are busy with it."""

from __future__ import annotations

import os
import tarfile
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from functools import partial
from itertools import islice
from pathlib import Path
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from statistics import median
from time import perf_counter
from unittest.mock import patch

from measure import in_turn, show

from fastrun.components.data.decoding import cores
from fastrun.components.data.listing import list_images
from fastrun.components.data.store import open_store
from fastrun.compose import compose
from fastrun.config.resolved import Resolved
from fastrun.training.builders.loaders import build_sampler, build_train_loader
from fastrun.training.builders.setup import set_up

BATCH, BATCHES, WARM = 128, 150, 5

Busy = dict[str, list[float]]  # of each contestant the share of the cores, one a round


def photos_of(archive: Path) -> Path | None:
    """Return the folder of an archive's images, unpacked if it is not there yet; None without an archive."""
    folder = Path(tempfile.gettempdir()) / "cifar10jpeg"
    if not folder.is_dir():
        if not archive.is_file():
            return None
        part = folder.with_suffix(".part")
        with tarfile.open(archive) as packed:
            packed.extractall(part, filter="data")
        part.rename(folder)
    return folder


def decoding(root: Path | None, rounds: int) -> None:
    """Print the table and the claim."""
    if root is None:
        print("\nno image folder: there is no archive at --photos")
        return
    busy: Busy = {}
    contestants = {"each time": partial(each_time, root, busy), "once": partial(once, root, busy)}
    show("an image folder, 60,000 JPEG files of 32x32", in_turn(contestants, rounds), "each time", "images/s")
    for name, shares in busy.items():
        print(f"  {name}: {median(shares):.2f} of {cores()} cores busy")
    print(f"  once: {median(busy['once']):.3f} (should be at least 0.85)")


def each_time(root: Path, busy: Busy) -> float:
    """Return the images a second of two workers that decode."""
    own = ("data.cache=false", "pipeline=workers", "pipeline.num_workers=2", "augment=none", f"batch.size={BATCH}")
    settings = compose(["data=image_folder", f"data.root={root}", *own, "device=cpu"])
    setup, resolved = set_up(settings), Resolved({})
    sampler = build_sampler(settings, setup.splits, setup.device, resolved)
    with busy_cores(busy, "each time"):
        batches = build_train_loader(settings, setup, sampler, resolved).batches(0)
        for _ in islice(batches, WARM):
            pass
        start = perf_counter()
        for _ in islice(batches, BATCHES):
            pass
        seconds = perf_counter() - start
        assert isinstance(batches, Generator)
        batches.close()  # ends the workers, whose processor time counts once they have ended
    return BATCHES * BATCH / seconds


def once(root: Path, busy: Busy) -> float:
    """Return the images a second of decoding all into an empty cache."""
    with tempfile.TemporaryDirectory() as folder, patch.dict(os.environ, FASTRUN_CACHE=folder):
        found, start = list_images(root), perf_counter()
        with busy_cores(busy, "once"):
            open_store(found, None, True, False)
        return len(found.paths) / (perf_counter() - start)


@contextmanager
def busy_cores(busy: Busy, name: str) -> Iterator[None]:
    """Note the share of the cores that this process, and those that it starts and ends, keep busy."""
    before, start = processor_seconds(), perf_counter()
    yield
    share = (processor_seconds() - before) / (perf_counter() - start) / cores()
    busy.setdefault(name, []).append(share)


def processor_seconds() -> float:
    """Return the seconds of all cores that this process and its ended children have used."""
    return sum(sum(getrusage(who)[:2]) for who in (RUSAGE_SELF, RUSAGE_CHILDREN))
