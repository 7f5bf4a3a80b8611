"""Whether a folder's images are decoded once, before the first step, or each time they are needed."""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from math import prod
from pathlib import Path
from tempfile import TemporaryDirectory
from time import perf_counter

from torch import Tensor

from fastrun.data.cache import Kept, key_of, load, lock, name_of, write
from fastrun.data.decoding import Job
from fastrun.data.listing import Listing
from fastrun.data.picture import SKIP_HINT, BadImage, Side, decode
from fastrun.data.progress import progress
from fastrun.data.room import free_disk, mebibytes, too_large
from fastrun.errors import DataError, StorageError
from fastrun.paths import cache

log = logging.getLogger("fastrun")


@dataclass(frozen=True)
class Store:
    """The images of a folder, without those that cannot be used.

    Attributes:
        found: their files.
        pixels: uint8 ``[images, 3, height, width]`` in the order of the files; None: to be decoded when needed.
        shape: of an image.
        how: where the pixels are, or why they are decoded when needed.
    """

    found: Listing
    pixels: Tensor | None
    shape: tuple[int, ...]
    how: str


def store(found: Listing, side: Side | None, keep: bool | None, skip_bad: bool) -> Store:
    """Return the images of a folder, decoded where that is asked for or, with ``keep=None``, where there is room.

    Raises:
        DataError: an image cannot be used and ``skip_bad`` is not set, or a class has none that can.
        StorageError: ``keep=True``, and there is no room for the pixels.
    """
    asked, why = _Asked(found, side, skip_bad), "data.cache=false"
    if keep is not False:
        path = cache() / name_of(found, side, pixels=True)
        kept = load(path, asked.key, found.paths) or asked.made(path, may_fill=keep is True)
        if isinstance(kept, Kept):
            left = found.without(asked.allowed(kept.bad))
            assert kept.pixels is not None
            how = f"once, kept in {path}" if path.is_file() else "once, for this run alone"
            return Store(left, kept.pixels, tuple(kept.pixels.shape[1:]), how)
        if keep:
            raise StorageError(f"data.cache=true: {kept}", "free some, or set FASTRUN_CACHE to a folder elsewhere")
        log.info(f"images are decoded each time they are needed: {kept}; data.cache=true decodes them once")
        why = kept
    left = found.without(asked.tried()) if skip_bad else found
    return Store(left, None, decode(left.paths[0], side).shape, f"each time they are needed: {why}")


@dataclass(frozen=True)
class _Asked:
    found: Listing
    side: Side | None
    skip_bad: bool

    @cached_property
    def key(self) -> str:
        return key_of(self.found, self.side)

    def allowed(self, bad: dict[str, str]) -> dict[str, str]:
        """Return the bad images, if there may be any."""
        if bad and not self.skip_bad:
            raise BadImage(next(iter(bad.values())), SKIP_HINT)
        return bad

    def made(self, path: Path, may_fill: bool) -> Kept | str:
        """Decode the images into a file, or say why that cannot be."""
        job = self.job()
        needed = len(job.paths) * prod(job.shape)
        if needed > free_disk(path.parent):
            return f"they take {mebibytes(needed)}, more than is free in {path.parent}"
        why = None if may_fill else too_large(needed, path.parent)
        if why is not None:
            return why
        try:
            return self.write(path, job, pixels=True)
        except OSError as error:
            return f"{error.filename or path} cannot be written: {error.strerror or error}"

    def job(self) -> Job:
        """Return what is to be done: as the first image that is none of the bad ones has it."""
        for path in self.found.paths:
            with suppress(*([BadImage] if self.skip_bad else [])):
                return Job(self.found.paths, self.side, decode(path, self.side).shape, self.skip_bad)
        raise DataError(f"no image below {self.found.root} can be read", SKIP_HINT)

    def tried(self) -> dict[str, str]:
        """Return the bad images: each is decoded once, and which are bad is kept."""
        path = cache() / name_of(self.found, self.side, pixels=False)
        kept = load(path, self.key, self.found.paths) or self.write(path, self.job(), pixels=False)
        return kept.bad

    def write(self, path: Path, job: Job, pixels: bool) -> Kept:
        """Make a file, where no other run made it meanwhile; where it cannot be kept, for this run alone."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with lock(path):
                return load(path, self.key, job.paths) or self.written(path, job, pixels)
        except OSError as error:
            log.info(f"{path.parent} cannot be written ({error.strerror or error}): decoded for this run alone")
        with TemporaryDirectory(prefix="fastrun-", ignore_cleanup_errors=True) as folder:
            return self.written(Path(folder) / path.name, job, pixels)  # mapped, so it outlives its name

    def written(self, path: Path, job: Job, pixels: bool) -> Kept:
        """Make a file and say how long it took."""
        start, doing = perf_counter(), "decoding" if pixels else "trying"
        log.info(f"{doing} {len(job.paths):,} images of {self.found.root} into {path}")
        with progress(f"{doing} images", len(job.paths)) as told:
            write(path, self.key, job, pixels, told)
        seconds = perf_counter() - start
        log.info(f"{len(job.paths):,} images in {seconds:.1f} s, {len(job.paths) / max(seconds, 1e-9):,.0f} a second")
        kept = load(path, self.key, job.paths)
        assert kept is not None, f"{path} was written just now"
        return kept
