"""Writing files so that a crash at any moment leaves them whole.

A file is written under a temporary name beside the real one, synced, read back and renamed. A failure of the operating
system becomes a :class:`StorageError`, whose message is one line.
"""

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

_ELSEWHERE = "choose another folder with outputs=…"
_HINTS = {
    errno.ENOSPC: "free some space",
    errno.EDQUOT: "free some space: your quota is used up",
    errno.EROFS: f"have it mounted for writing, or {_ELSEWHERE}",
    errno.EACCES: f"make it writable for you, or {_ELSEWHERE}",
    errno.EPERM: f"look at its owner and attributes (ls -l, lsattr), or {_ELSEWHERE}",
    errno.EIO: f"the disk may be failing: look at dmesg, or {_ELSEWHERE}",
}
BUFFER_SIZE = 1 << 20  # bytes; hundreds of small tensors go to the disk in one write


@contextmanager
def storage_errors(path: Path, verb: str = "write") -> Iterator[None]:
    """Turn each OSError of a block into a StorageError.

    Args:
        path: the file or folder to name where the error names none.
        verb: what failed, for the message.
    """
    try:
        yield
    except OSError as error:
        where = Path(error.filename) if isinstance(error.filename, str) else path
        hint = _HINTS.get(error.errno or 0, _ELSEWHERE)
        raise StorageError(f"cannot {verb} {where}: {error.strerror or error}", hint) from error


class _Hashed(io.FileIO):
    """A new file that hashes the bytes that the system takes, so that they can be compared with those on the disk."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, "w", opener=partial(os.open, mode=0o666))
        self.sha256 = hashlib.sha256()

    def write(self, data: Any) -> int:
        count = os.write(self.fileno(), data)
        self.sha256.update(memoryview(data)[:count])
        return count


def replace(path: Path, write: Callable[[BinaryIO], object]) -> str:
    """Replace a file so that a crash at any moment leaves the old content or the new one, never a part of it.

    The new content stays in a temporary file in the same folder, whatever ``$TMPDIR`` is, until it is on the disk and
    reads back as it was written.

    Args:
        path: the file.
        write: writes the new content into the file that it is given.

    Returns:
        The SHA-256 of the content.

    Raises:
        StorageError: it could not be written; the old content is there.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    with storage_errors(path):
        try:
            sha256 = _write(temporary, write)
            if sha256_of(temporary) != sha256:
                raise OSError(errno.EIO, "it does not read back as it was written")
            os.replace(temporary, path)  # noqa: PTH105 (tests replace functions of os)
            sync(path.parent)
        except BaseException as error:
            with suppress(OSError):
                os.unlink(temporary)  # noqa: PTH108
            if isinstance(error, OSError):
                error.filename = str(path)  # not the temporary one
            raise
    return sha256


def _write(path: Path, write: Callable[[BinaryIO], object]) -> str:
    with _Hashed(path) as raw:
        buffered = io.BufferedWriter(raw, BUFFER_SIZE)
        write(buffered)
        buffered.flush()
        os.fsync(raw.fileno())
    return raw.sha256.hexdigest()


def write_atomic(path: Path, text: str) -> None:
    """Replace a file's content by a text, as :func:`replace` does.

    Raises:
        StorageError: it could not be written; the old content is there.
    """
    replace(path, lambda file: file.write(text.encode()))


def append(path: Path, text: str) -> None:
    """Add a text to the end of a file.

    A crash before :func:`sync` may lose it, and a disk that fails may take a part of it.

    Raises:
        StorageError: it could not be written.
    """
    with storage_errors(path):
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            rest = memoryview(text.encode())
            while rest:
                rest = rest[os.write(handle, rest) :]
        finally:
            os.close(handle)


def sync(path: Path) -> None:
    """Wait until what was written into a file, or renamed in a folder, survives a loss of power.

    Raises:
        StorageError: the system reports that it may not survive.
    """
    with storage_errors(path):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove(path: Path) -> None:
    """Remove a file if it exists.

    Raises:
        StorageError: it cannot be removed.
    """
    with storage_errors(path, "remove"), suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108


def check_free_space(path: Path, size: int) -> None:
    """Check that the disk has room for a new file.

    Args:
        path: the file.
        size: its size in bytes.

    Raises:
        StorageError: there is less room, or the folder does not exist.
    """
    with storage_errors(path):
        disk = os.statvfs(path.parent)
    free = disk.f_bavail * disk.f_frsize
    if disk.f_blocks and free < size:  # some network file systems report 0 for everything
        raise StorageError(
            f"cannot write {path}: {size / 1e6:.1f} MB needed, {free / 1e6:.1f} MB free",
            "free some space; what was saved before is unchanged",
        )


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
