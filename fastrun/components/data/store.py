"""Opens the images of a folder: decoded once, before the first step, or each time they are needed."""

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

from fastrun.components.data.cache import CachedImages, cache_key, file_name, load, lock, write
from fastrun.components.data.decoding import DecodeRequest
from fastrun.components.data.listing import Listing
from fastrun.components.data.picture import SKIP_HINT, BadImage, Size, decode
from fastrun.components.data.progress import show_progress
from fastrun.config.paths import cache
from fastrun.errors import DataError, StorageError
from fastrun.system.free_space import format_mebibytes, free_disk, why_too_large

log = logging.getLogger("fastrun")


@dataclass(frozen=True)
class ImageStore:
    """The images of a folder, without those that cannot be used.

    Attributes:
        listing: the files.
        pixels: uint8 ``[images, 3, height, width]`` in the order of the files; None if they are decoded when needed.
        shape: the shape of an image.
        decoded: when the images are decoded, and where the pixels are or why they are not kept.
    """

    listing: Listing
    pixels: Tensor | None
    shape: tuple[int, ...]
    decoded: str


def open_store(listing: Listing, size: Size | None, use_cache: bool | None, skip_bad: bool) -> ImageStore:
    """Open the images of a folder.

    Args:
        listing: the files.
        size: the height and width to resize the images to; None to keep them as they are.
        use_cache: decode all images at once and keep their pixels; None to do so if there is room.
        skip_bad: leave out images that cannot be used, instead of failing.

    Raises:
        DataError: an image cannot be used and ``skip_bad`` is not set, or a class has no image that can.
        StorageError: ``use_cache=True``, and there is no room for the pixels.
    """
    opener = _Opener(listing, size, skip_bad)
    if use_cache is False:
        return opener.open_files("data.cache=false")
    path = cache() / file_name(listing, size, pixels=True)
    cached = load(path, opener.key, listing.paths) or opener.fill_cache(path, may_fill=use_cache is True)
    if isinstance(cached, CachedImages):
        return opener.open_pixels(cached, path)
    if use_cache:
        raise StorageError(f"data.cache=true: {cached}", "free some space, or set FASTRUN_CACHE to another folder")
    log.info(
        f"images are decoded each time they are needed: {cached}; data.cache=true decodes them once; faster, too, "
        f"is data=stream, for which `fastrun data pack {listing.root} OUT` packs sets of any size once"
    )
    return opener.open_files(cached)


@dataclass(frozen=True)
class _Opener:
    """Opens the images of a folder in one way or the other; the attributes are those of :func:`open_store`."""

    listing: Listing
    size: Size | None
    skip_bad: bool

    @cached_property
    def key(self) -> str:
        return cache_key(self.listing, self.size)

    def open_pixels(self, cached: CachedImages, path: Path) -> ImageStore:
        """Return the store of images that are decoded.

        Raises:
            BadImage: there are bad images and ``skip_bad`` is not set.
        """
        if cached.bad and not self.skip_bad:
            raise BadImage(next(iter(cached.bad.values())), SKIP_HINT)
        assert cached.pixels is not None
        decoded = f"once, kept in {path}" if path.is_file() else "once, for this run alone"
        return ImageStore(self.listing.without(cached.bad), cached.pixels, tuple(cached.pixels.shape[1:]), decoded)

    def open_files(self, reason: str) -> ImageStore:
        """Return the store of images that are decoded when needed, for a reason."""
        listing = self.listing.without(self._find_bad()) if self.skip_bad else self.listing
        shape = decode(listing.paths[0], self.size).shape
        return ImageStore(listing, None, shape, f"each time they are needed: {reason}")

    def _find_bad(self) -> dict[str, str]:
        """Return the bad images, for which each image is decoded once; the result is kept in a cache file."""
        path = cache() / file_name(self.listing, self.size, pixels=False)
        cached = load(path, self.key, self.listing.paths) or self._write(path, self._request(), pixels=False)
        return cached.bad

    def fill_cache(self, path: Path, may_fill: bool) -> CachedImages | str:
        """Decode the images into a cache file.

        Args:
            path: the cache file.
            may_fill: whether the pixels may take more than a part of the free memory and disk.

        Returns:
            The images, or the reason why they cannot be cached.
        """
        request = self._request()
        needed = len(request.paths) * prod(request.shape)
        if needed > free_disk(path.parent):
            return f"they take {format_mebibytes(needed)}, more than is free in {path.parent}"
        reason = None if may_fill else why_too_large(needed, path.parent)
        if reason is not None:
            return reason
        try:
            return self._write(path, request, pixels=True)
        except OSError as error:
            return f"{error.filename or path} cannot be written: {error.strerror or error}"

    def _request(self) -> DecodeRequest:
        """Return the request to decode all images to the shape of the first image that is not bad."""
        for path in self.listing.paths:
            with suppress(*([BadImage] if self.skip_bad else [])):
                return DecodeRequest(self.listing.paths, self.size, decode(path, self.size).shape, self.skip_bad)
        raise DataError(f"no image below {self.listing.root} can be read", SKIP_HINT)

    def _write(self, path: Path, request: DecodeRequest, pixels: bool) -> CachedImages:
        """Write a cache file unless another run has just done so; for this run alone if the folder is read-only."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with lock(path):
                return load(path, self.key, request.paths) or self._decode(path, request, pixels)
        except OSError as error:
            log.info(
                f"{path.parent} cannot be written ({error.strerror or error}): images are decoded for this run alone"
            )
        with TemporaryDirectory(prefix="fastrun-", ignore_cleanup_errors=True) as folder:
            return self._decode(Path(folder) / path.name, request, pixels)  # the mapped file outlives its name

    def _decode(self, path: Path, request: DecodeRequest, pixels: bool) -> CachedImages:
        """Decode images into a cache file and log how long it took."""
        activity, count = "decoding" if pixels else "checking", len(request.paths)
        log.info(f"{activity} {count:,} images of {self.listing.root} into {path}")
        start = perf_counter()
        with show_progress(f"{activity} images", count) as on_progress:
            write(path, self.key, request, pixels, on_progress)
        seconds = perf_counter() - start
        log.info(f"{count:,} images in {seconds:.1f} s, {count / max(seconds, 1e-9):,.0f} per second")
        cached = load(path, self.key, request.paths)
        assert cached is not None, f"{path} was written just now"
        return cached
