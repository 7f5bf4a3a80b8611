"""Decoded images in a file, made once and mapped into memory by every later run.

The file holds the pixels of all images, each image's checksum, what was left out and why, and a key: a hash of the
names, sizes, times and modes of the files that it was made from. It is written beside its place and moved there whole.
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

from fastrun.data.decoding import Job, Told, decoded
from fastrun.data.listing import Listing
from fastrun.data.picture import Side
from fastrun.data.worker import Done

_FORM = "1"  # of the file, and of how an image is decoded: another makes all anew
_TAIL = struct.Struct("<QI")  # what a file ends with: the length and the checksum of what is said of the pixels
_CHECKED = 1 << 30  # bytes of pixels that are checked at most when a file is opened
_MOVED = 64 << 20  # bytes that move at a time where images are left out

try:
    import fcntl
except ImportError:  # not on Windows: two runs that start at once both decode there
    fcntl = None  # type: ignore[assignment]


@dataclass(frozen=True)
class Kept:
    """What a file holds.

    Attributes:
        pixels: uint8 ``[images, 3, height, width]``, mapped, without the bad images; None: they were only tried.
        bad: the paths of the images that are left out, and why.
    """

    pixels: Tensor | None
    bad: dict[str, str]


def key_of(found: Listing, side: Side | None) -> str:
    """Return a hash of everything that decides on the pixels."""
    from PIL import __version__

    digest = hashlib.sha256(repr((_FORM, __version__, side)).encode())
    for part, (paths, _) in found.parts.items():
        for path in paths:
            own = "/".join([part, *path.rsplit(os.sep, 2)[1:]])
            digest.update(os.fsencode(own) + _state(path))
    return digest.hexdigest()


def _state(path: str) -> bytes:
    try:
        stat = os.stat(path)  # noqa: PTH116 (of every file: a Path's takes twice as long)
    except OSError:
        return b"\0gone\0"
    return b"\0%d\0%d\0%o\0" % (stat.st_size, stat.st_mtime_ns, stat.st_mode)  # who may read it, too


def name_of(found: Listing, side: Side | None, pixels: bool) -> str:
    """Return the name of the one file of a folder and a size, so that changed images replace the old ones."""
    root = found.root.resolve()
    digest = hashlib.sha256(os.fsencode(root) + repr(side).encode()).hexdigest()[:16]
    label = "".join(c if c.isalnum() else "_" for c in root.name)[:40]
    size = f"-{side[0]}x{side[1]}" if side else ""
    return f"{label}{size}-{digest}.{'pixels' if pixels else 'checked'}"


def load(path: Path, key: str, paths: list[str]) -> Kept | None:
    """Return what a file holds; None where there is none, or it is damaged or of other images.

    Up to 1 GiB of pixels are compared with their checksums; of more, images spread over the whole file.
    """
    try:
        with path.open("rb") as file:
            said, size = _said(file)
            if said["key"] != key:
                return None
            bad = {paths[place]: why for place, why in said["bad"]}
            rows = len(paths) - len(bad) if said["shape"] else 0
            if size != rows * prod(said["shape"]):
                return None
            pixels = _mapped(file.fileno(), size).view(rows, *said["shape"]) if rows else None
        return Kept(pixels, bad) if pixels is None or _is_whole(pixels, said["sums"]) else None
    except Exception:  # whatever is wrong with it, the images are still there
        return None


def _said(file: BinaryIO) -> tuple[dict[str, Any], int]:
    """Return what a file says of its pixels, and their size in bytes."""
    end = file.seek(-_TAIL.size, os.SEEK_END)
    length, checksum = _TAIL.unpack(file.read(_TAIL.size))
    file.seek(end - length)
    text = file.read(length)
    if zlib.crc32(text) != checksum:
        raise ValueError("the file is damaged")
    return json.loads(text), end - length


def _mapped(file: int, size: int) -> Tensor:
    try:  # each process may write to its own copy of a page, so that a careless program is no crash
        mapped = mmap.mmap(file, size, access=mmap.ACCESS_COPY)
    except OSError:  # more than there could ever be copies of
        mapped = mmap.mmap(file, size, access=mmap.ACCESS_READ)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a buffer that cannot be written to
        return torch.frombuffer(mapped, dtype=torch.uint8)


def _is_whole(pixels: Tensor, sums: list[int]) -> bool:
    every = -(-pixels.numel() // _CHECKED)
    rows = pixels.numpy()
    return len(sums) == len(rows) and all(zlib.crc32(rows[i].data) == sums[i] for i in range(0, len(rows), every))


def write(path: Path, key: str, job: Job, pixels: bool, told: Told) -> None:
    """Decode images into a file, or only try them and write down which are bad.

    Raises:
        ImageError: an image cannot be used.
        DataError: a process that decodes was ended from outside.
        OSError: the file cannot be written.
    """
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        part.touch()
        done = decoded(job, part if pixels else None, told)
        _finish(part, key, done, job.shape if pixels else ())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _finish(part: Path, key: str, done: Done, shape: tuple[int, ...]) -> None:
    """Close the gaps that bad images left, and write what there is to say behind the pixels."""
    bad = {place for place, _ in done.bad}
    sums = [value for place, value in enumerate(done.sums) if place not in bad]
    with part.open("r+b") as file:
        if shape:
            _close_gaps(file, sorted(bad), prod(shape), len(done.sums))
            file.truncate(len(sums) * prod(shape))
        file.seek(0, os.SEEK_END)
        text = json.dumps({"key": key, "shape": shape, "bad": done.bad, "sums": sums if shape else []}).encode()
        file.write(text + _TAIL.pack(len(text), zlib.crc32(text)))
        file.flush()
        os.fsync(file.fileno())


def _close_gaps(file: BinaryIO, bad: list[int], row: int, count: int) -> None:
    if not bad:
        return
    to = bad[0] * row
    for gap, end in zip(bad, [*bad[1:], count], strict=True):
        for low in range((gap + 1) * row, end * row, _MOVED):
            file.seek(low)
            block = file.read(min(_MOVED, end * row - low))
            file.seek(to)
            to += file.write(block)


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Wait until no other process makes a file, and what one left that was killed is gone."""
    if fcntl is None:
        yield
        return
    with path.with_name(f".{path.name}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for left in path.parent.glob(f".{path.name}.[0-9]*"):
            left.unlink(missing_ok=True)
        yield
