"""A file of decoded images, which one run writes and later runs map into memory.

The file contains the pixels of all images, followed by a footer: the checksum of each image, the images that were left
out and why, and a key, which is a hash of the names, sizes, times and modes of the source files. The file is written
under a temporary name and then moved into its place as a whole.
"""

from __future__ import annotations

import hashlib
import json
import mmap
import os
import struct
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import torch
from torch import Tensor

from fastrun.components.data.decoding import DecodeRequest, OnProgress, decode_images
from fastrun.components.data.listing import Listing
from fastrun.components.data.picture import Size
from fastrun.components.data.worker import DecodeResult

_FORMAT = "2"  # of the file, and of how images are decoded: when it changes, all images are decoded again
TRAILER = struct.Struct("<QI")  # the end of a file: the length and the checksum of its footer
CHECKED_BYTES = 1 << 30  # of pixels that are compared with their checksums when a file is opened, at most
COPY_BYTES = 64 << 20  # that are moved at a time where images are left out

try:
    import fcntl
except ImportError:  # on Windows, where two runs that start at once both decode
    fcntl = None  # type: ignore[assignment]


@dataclass(frozen=True)
class CachedImages:
    """The content of a cache file.

    Attributes:
        pixels: uint8 ``[images, 3, height, width]``, mapped into memory, without the bad images; None if the images
            were only checked.
        bad: the path of each image that is left out, and why.
    """

    pixels: Tensor | None
    bad: dict[str, str]


def cache_key(listing: Listing, size: Size | None) -> str:
    """Return a hash of everything that the pixels depend on."""
    from PIL import __version__

    digest = hashlib.sha256(repr((_FORMAT, __version__, size)).encode())
    for split, (paths, _) in listing.splits.items():
        for path in paths:
            relative = "/".join([split, *path.rsplit(os.sep, 2)[1:]])
            digest.update(os.fsencode(relative) + _file_state(path))
    return digest.hexdigest()


def _file_state(path: str) -> bytes:
    try:
        stat = os.stat(path)  # noqa: PTH116 (called for every file: a Path's takes twice as long)
    except OSError:
        return b"\0gone\0"
    return b"\0%d\0%d\0%o\0" % (stat.st_size, stat.st_mtime_ns, stat.st_mode)  # the mode says who may read it


def file_name(listing: Listing, size: Size | None, pixels: bool) -> str:
    """Return the name of the cache file of a folder and an image size.

    The name does not depend on the images, so that the file of changed images replaces that of the old ones.

    Args:
        listing: the images of the folder.
        size: the height and width of the decoded images; None to keep them as they are.
        pixels: whether the file contains pixels, or only says which images are bad.
    """
    root = listing.root.resolve()
    digest = hashlib.sha256(os.fsencode(root) + repr(size).encode()).hexdigest()[:16]
    label = "".join(character if character.isalnum() else "_" for character in root.name)[:40]
    size_label = f"-{size[0]}x{size[1]}" if size else ""
    return f"{label}{size_label}-{digest}.{'pixels' if pixels else 'checked'}"


def load(path: Path, key: str, paths: list[str]) -> CachedImages | None:
    """Load a cache file.

    Up to 1 GiB of pixels are compared with their checksums; of more, images that are spread over the whole file.

    Args:
        path: the cache file.
        key: the key that the file must have.
        paths: the source files in their order.

    Returns:
        The content, or None if there is no file, or it is damaged or of other images.
    """
    try:
        with path.open("rb") as file:
            footer, pixel_bytes = _read_footer(file)
            if footer["key"] != key:
                return None
            bad = {paths[index]: reason for index, reason in footer["bad"]}
            rows = len(paths) - len(bad) if footer["shape"] else 0
            if pixel_bytes != rows * prod(footer["shape"]):
                return None
            if not rows:
                return CachedImages(None, bad)
            pixels = _map(file.fileno(), pixel_bytes).view(rows, *footer["shape"])
        return CachedImages(pixels, bad) if _has_checksums(pixels, footer["sums"]) else None
    except Exception:  # whatever is wrong with the file, the images can be decoded again
        return None


def _read_footer(file: BinaryIO) -> tuple[dict[str, Any], int]:
    """Return the footer of a file, and the size of the pixels before it in bytes."""
    end = file.seek(-TRAILER.size, os.SEEK_END)
    length, checksum = TRAILER.unpack(file.read(TRAILER.size))
    file.seek(end - length)
    text = file.read(length)
    if zlib.crc32(text) != checksum:
        raise ValueError("the file is damaged")
    return json.loads(text), end - length


def _map(file: int, size: int) -> Tensor:
    """Map the start of an open file into memory."""
    try:  # writing changes a process's own copy of a page, so that a program that writes to its data does not crash
        mapped = mmap.mmap(file, size, access=mmap.ACCESS_COPY)
    except OSError:  # the file is larger than the memory for copies of it
        mapped = mmap.mmap(file, size, access=mmap.ACCESS_READ)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about a buffer that cannot be written to
        return torch.frombuffer(mapped, dtype=torch.uint8)


def _has_checksums(pixels: Tensor, sums: list[int]) -> bool:
    """Say whether the images have these checksums; if there are very many, only every n-th image is checked."""
    stride = -(-pixels.numel() // CHECKED_BYTES)
    rows = pixels.numpy()
    return len(sums) == len(rows) and all(zlib.crc32(rows[i].data) == sums[i] for i in range(0, len(rows), stride))


def write(path: Path, key: str, request: DecodeRequest, pixels: bool, on_progress: OnProgress) -> None:
    """Decode images into a cache file, or only check them and write which are bad.

    Args:
        path: the cache file.
        key: the key of the images.
        request: the images.
        pixels: whether to write the pixels.
        on_progress: called from time to time with the number of images that were decoded since the last call.

    Raises:
        ImageError: an image cannot be used.
        DataError: a process that decodes was ended from outside.
        OSError: the file cannot be written.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.touch()
        result = decode_images(request, temporary if pixels else None, on_progress)
        _finish(temporary, key, result, request.shape if pixels else ())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _finish(path: Path, key: str, result: DecodeResult, shape: tuple[int, ...]) -> None:
    """Close the gaps that bad images left, and append the footer."""
    bad = {index for index, _ in result.bad}
    sums = [value for index, value in enumerate(result.sums) if index not in bad]
    with path.open("r+b") as file:
        if shape:
            _close_gaps(file, sorted(bad), prod(shape), len(result.sums))
            file.truncate(len(sums) * prod(shape))
        file.seek(0, os.SEEK_END)
        text = json.dumps({"key": key, "shape": shape, "bad": result.bad, "sums": sums if shape else []}).encode()
        file.write(text + TRAILER.pack(len(text), zlib.crc32(text)))
        file.flush()
        os.fsync(file.fileno())


def _close_gaps(file: BinaryIO, bad: list[int], row: int, count: int) -> None:
    """Move the images that follow bad ones forward.

    Args:
        file: the file of pixels.
        bad: the indices of the bad images, ascending.
        row: the size of an image in bytes.
        count: the number of images, including the bad ones.
    """
    if not bad:
        return
    target = bad[0] * row
    for gap, end in zip(bad, [*bad[1:], count], strict=True):
        for low in range((gap + 1) * row, end * row, COPY_BYTES):
            file.seek(low)
            block = file.read(min(COPY_BYTES, end * row - low))
            file.seek(target)
            target += file.write(block)


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Wait until no other process writes a cache file, and remove what killed processes have left of it."""
    if fcntl is None:
        yield
        return
    with path.with_name(f".{path.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for leftover in path.parent.glob(f".{path.name}.[0-9]*"):
            leftover.unlink(missing_ok=True)
        yield
