"""Files that survive: written beside their place, synced, read back, renamed; a failing disk is an error of a line."""

from __future__ import annotations

import errno
import hashlib
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO

from fastrun.errors import StorageError

_ELSEWHERE = "choose another place with outputs=…"
_HINTS = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space: your quota is used up",
    errno.EROFS: f"have it mounted for writing, or {_ELSEWHERE}",
    errno.EACCES: f"make it writable for you, or {_ELSEWHERE}",
    errno.EPERM: f"look at its owner and attributes (ls -l, lsattr), or {_ELSEWHERE}",
    errno.EIO: f"the disk may be failing: look at dmesg, or {_ELSEWHERE}",
}
_BUFFER = 1 << 20  # bytes: hundreds of small tensors go to the disk in one write


@contextmanager
def storage(path: Path, verb: str = "write") -> Iterator[None]:
    """Turn any failure of the operating system to write (or ``verb``) below ``path`` into a StorageError."""
    try:
        yield
    except OSError as error:
        where = Path(error.filename) if isinstance(error.filename, str) else path
        hint = _HINTS.get(error.errno or 0, _ELSEWHERE)
        raise StorageError(f"cannot {verb} {where}: {error.strerror or error}", hint) from error


class _Hashed(io.FileIO):
    """A new file that is hashed as it is written: of what the system took, so that reading it back is a check."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w", opener=partial(os.open, mode=0o666))
        self.sha256 = hashlib.sha256()

    def write(self, data: Any) -> int:
        count = os.write(self.fileno(), data)
        self.sha256.update(memoryview(data)[:count])
        return count


def replace(path: Path, write: Callable[[BinaryIO], object]) -> str:
    """Have a file written so that a crash at any moment leaves the old content or the new one, never a part.

    The new content lies beside its place, whatever ``$TMPDIR`` says, until it is on the disk and reads back as written.

    Returns:
        The sha256 of the content.

    Raises:
        StorageError: it could not be written; the old content is there.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with storage(path):
        try:
            sha256 = _write(temporary, write)
            if sha256_of(temporary) != sha256:
                raise OSError(errno.EIO, "it does not read back as it was written")
            os.replace(temporary, path)  # noqa: PTH105 (a fault put into os is met here)
            sync(path.parent)
        except BaseException as error:
            with suppress(OSError):
                os.unlink(temporary)  # noqa: PTH108
            if isinstance(error, OSError):
                error.filename = str(path)  # the name that a user knows
            raise
    return sha256


def _write(path: Path, write: Callable[[BinaryIO], object]) -> str:
    with _Hashed(path) as raw:
        buffered = io.BufferedWriter(raw, _BUFFER)
        write(buffered)
        buffered.flush()
        os.fsync(raw.fileno())
    return raw.sha256.hexdigest()


def write_atomic(path: Path, text: str) -> None:
    """Replace a file's content by a text.

    Raises:
        StorageError: it could not be written; the old content is there.
    """
    replace(path, lambda file: file.write(text.encode()))


def append(path: Path, text: str) -> None:
    """Add lines to a file; not durable before ``sync``, and a disk that fails may leave a part of them.

    Raises:
        StorageError: it could not be written.
    """
    with storage(path):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            rest = memoryview(text.encode())
            while rest:
                rest = rest[os.write(handle, rest) :]
        finally:
            os.close(handle)


def sync(path: Path) -> None:
    """Have what was written into a file, or renamed in a folder, outlast a loss of power.

    Raises:
        StorageError: it may not.
    """
    with storage(path):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove(path: Path) -> None:
    """Remove a file if it is there.

    Raises:
        StorageError: it cannot be removed.
    """
    with storage(path, "remove"), suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108


def check_room(path: Path, size: int) -> None:
    """Refuse to begin a file of ``size`` bytes that the disk has no room for.

    Raises:
        StorageError: there is less; or the folder is not there.
    """
    with storage(path):
        disk = os.statvfs(path.parent)
    free = disk.f_bavail * disk.f_frsize
    if disk.f_blocks and free < size:  # some network file systems say 0 of everything
        raise StorageError(
            f"cannot write {path}: {size / 1e6:.1f} MB needed, {free / 1e6:.1f} MB free",
            "free some space; what was saved before is as it was",
        )


def sha256_of(path: Path) -> str:
    """Return a file's hash."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
