"""Where the files of a pack are: in a folder, or behind an address, from which they are copied when needed."""

from __future__ import annotations

import hashlib
import os
import warnings
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from fastrun.components.data.cache import lock
from fastrun.components.data.packed.manifest import NAME, Manifest, check_sizes, folder_of, is_address, read_manifest
from fastrun.components.data.packed.shards import check_installed
from fastrun.config.paths import cache
from fastrun.errors import DataError
from fastrun.system.free_space import format_mebibytes, free_disk

_REASON = 200  # characters of what a service says
_REACH = "check the address, the network and your credentials"


class Location(Protocol):
    """Where the files of a pack are."""

    manifest: Manifest

    def path(self, file: str, size: int) -> Path:
        """Return the path of a file on this machine.

        Args:
            file: its path in the pack.
            size: its size in bytes; 0 if it is not known.

        Raises:
            DataError: it cannot be had.
        """


def locate(root: str, limit: int | None = None) -> Location:
    """Return the location of a pack.

    Args:
        root: a folder, or an address that litdata knows: ``s3://…``, ``gs://…``, ``azure://…``, ``hf://…``.
        limit: the bytes of copies that may lie in the cache at a time; None for all.

    Raises:
        DataError: there is no pack, a shard is missing or has another size, or the address cannot be reached.
    """
    return Remote(root.rstrip("/"), limit) if is_address(root) else Folder(folder_of(root))


class Folder:
    """A folder of this machine.

    Args:
        root: the folder.

    Raises:
        DataError: it is not a pack, or a shard is missing or has another size.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.manifest = root, read_manifest(root)
        check_sizes(root, self.manifest)

    def path(self, file: str, size: int) -> Path:
        """Return the path of a file."""
        return self.root / file


class Remote:
    """Files behind an address, which are copied into the cache one by one, as they are needed.

    Args:
        address: the address.
        limit: the bytes of copies that may lie in the cache at a time; None for all. Those that were used least
            recently make room.

    Raises:
        DataError: the address cannot be reached, or there is no pack.
    """

    def __init__(self, address: str, limit: int | None) -> None:
        self.address, self.limit = address, limit
        check_installed()
        name = hashlib.sha256(address.encode()).hexdigest()[:16]
        self.root = cache() / "packs" / name
        self.root.mkdir(parents=True, exist_ok=True)
        with lock(self.root / NAME):
            (self.root / NAME).unlink(missing_ok=True)  # the pack may have been replaced
            self._fetch(NAME)
            text = (self.root / NAME).read_text(errors="replace")
        self.manifest = Manifest.of(text, f"{address}/{NAME}")
        self.content = hashlib.sha256(text.encode()).hexdigest()[:16]  # copies of another pack have another folder

    def path(self, file: str, size: int) -> Path:
        """Return the path of a file's copy, which is made if there is none.

        Raises:
            DataError: it cannot be fetched, or there is no room for it.
        """
        path = self.root / self.content / file
        with suppress(FileNotFoundError):
            os.utime(path)  # the copies that were used least recently make room for others
            return path
        path.parent.mkdir(parents=True, exist_ok=True)
        with lock(path):
            if not path.exists():
                self._make_room(size, path)
                self._fetch(file, self.content)
        return path

    def _fetch(self, file: str, folder: str = "") -> None:
        """Copy a file, which appears under its name as a whole."""
        from litdata.streaming.downloader import get_downloader

        target = self.root / folder / file
        temporary = target.with_name(f".{target.name}.{os.getpid()}")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # of clients of storage services
                downloader = get_downloader(self.address, str(self.root), [])
                downloader.download_file(f"{self.address}/{file}", str(temporary))
            temporary.replace(target)
        except Exception as error:  # each service has errors of its own
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:_REASON]
            raise DataError(f"{self.address}/{file} cannot be fetched: {reason}", _REACH) from error
        finally:
            temporary.unlink(missing_ok=True)

    def _make_room(self, size: int, path: Path) -> None:
        """Remove the copies that were used least recently, until a file fits the limit. Open files can still be read.

        Raises:
            DataError: the disk has no room for the file.
        """
        if self.limit is not None:
            copies = sorted((self.root / self.content).glob("*/chunk-*"), key=_last_use)
            total = sum(map(_size, copies))
            for copy in copies:
                if total + size <= self.limit:
                    break
                total -= _size(copy)
                copy.unlink(missing_ok=True)
        free = free_disk(path.parent)
        if size > free:
            needed, room = format_mebibytes(size), format_mebibytes(free)
            problem = f"{path.name} takes {needed}, and {room} are free in {self.root}"
            raise DataError(problem, "data.cache_gb=… bounds the copies; FASTRUN_CACHE=… names another folder")


def _last_use(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # another process has removed it
        return 0.0


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
