"""An open file that several processes may read from at once, each at places of its own."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

_BLOCK = 1 << 20  # bytes that are hashed at a time


class ShardFile:
    """An open file, which is closed when nothing refers to it any more.

    Args:
        path: the file.

    Raises:
        OSError: it cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.number = os.open(path, os.O_RDONLY | getattr(os, "O_BINARY", 0))
        self.size = os.fstat(self.number).st_size

    def read(self, place: int, count: int) -> bytearray:
        """Return the bytes from a place on, as many as there are up to a number of them; they can be written to.

        Raises:
            OSError: they cannot be read.
        """
        content = bytearray(count)
        if hasattr(os, "preadv"):
            done = os.preadv(self.number, [content], place)
            return content if done == count else content[:done]
        os.lseek(self.number, place, os.SEEK_SET)  # on Windows, where each process has files of its own
        return bytearray(os.read(self.number, count))

    def sha256(self) -> str:
        """Return the SHA-256 of the content as hexadecimal text.

        Raises:
            OSError: it cannot be read.
        """
        digest = hashlib.sha256()
        for place in range(0, self.size, _BLOCK):
            digest.update(self.read(place, min(_BLOCK, self.size - place)))
        return digest.hexdigest()

    def expect(self) -> None:
        """Tell the system that all of the file is going to be read."""
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(self.number, 0, 0, os.POSIX_FADV_WILLNEED)

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        if hasattr(self, "number"):
            close(self.number)
