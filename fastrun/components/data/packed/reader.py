"""Reads single samples of shards, from any place, with a few files open at a time."""

from __future__ import annotations

import hashlib
import json
import os
from bisect import bisect_right
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fastrun.components.data.packed.location import Location
from fastrun.components.data.packed.manifest import RESTORE, Shard, index_file
from fastrun.components.data.packed.shards import check_installed
from fastrun.components.data.raised_in_worker import RaisedInWorker
from fastrun.errors import DataError

_SAFE = {"bytes", "int", "float", "tensor", "no_header_tensor"}  # forms of values that hold no code
_WORD = 4  # bytes of a number at the head of a shard
_TRIES = 3  # to open a copy that another process may have removed to make room


class ShardError(RaisedInWorker):
    """A shard that is missing or damaged."""


@dataclass(frozen=True)
class _OpenShard:
    """A shard that is open: its file, and where each of its samples begins, with the end of the last one."""

    file: FileIO
    offsets: NDArray[np.uint32]


class ShardReader:
    """Reads samples of a split by their numbers.

    A sample is read from its place in the file, so memory holds the offsets of the open shards alone. The content of a
    shard is compared with its SHA-256 when it is opened for the first time in a run; later the cache of the system
    mostly has it.

    Args:
        location: where the files are.
        split: the split.
        keep: the number of shards that are open at a time.

    Raises:
        DataError: litdata is not installed, or the index of the split is damaged.
    """

    def __init__(self, location: Location, split: str, keep: int) -> None:
        check_installed()
        self.location, self.keep = location, keep
        self.shards = location.manifest.splits[split]
        self.ends = list(accumulate(shard.samples for shard in self.shards))
        self.loader = _item_loader(location.path(index_file(split), 0).parent)
        self.checked = torch.zeros(len(self.shards), dtype=torch.uint8).share_memory_()  # by any worker process
        self._open: OrderedDict[int, _OpenShard] = OrderedDict()

    def __len__(self) -> int:
        return self.ends[-1]

    def place(self, index: int) -> tuple[int, int]:
        """Return the shard of a sample, and its number in that shard.

        Raises:
            IndexError: there is no such sample.
        """
        count = len(self)
        if not -count <= index < count:
            raise IndexError(f"sample {index} of {count}")
        index %= count
        shard = bisect_right(self.ends, index)
        return shard, index - (self.ends[shard - 1] if shard else 0)

    def read(self, index: int) -> tuple[Any, ...]:
        """Return the values of a sample, as they were packed; bytes and tensors can be written to.

        Raises:
            ShardError: its shard is missing or damaged.
        """
        shard, number = self.place(index)
        opened = self._opened(shard)
        low, high = opened.offsets[number : number + 2].tolist()
        content = bytearray(high - low)
        if _read_into(opened.file, content, low) != len(content):
            raise self._damaged(self.shards[shard])
        return tuple(self.loader.deserialize(content))

    def _opened(self, number: int) -> _OpenShard:
        """Return a shard that is open, and close the one that was used least recently if there are too many."""
        if number in self._open:
            self._open.move_to_end(number)
            return self._open[number]
        shard = self.shards[number]
        file = self._open_file(shard)
        if not self.checked[number]:
            if hashlib.file_digest(file, "sha256").hexdigest() != shard.sha256:
                raise self._damaged(shard)
            self.checked[number] = 1
        elif hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)  # samples of a window are read at random
        self._open[number] = _OpenShard(file, self._offsets(file, shard))
        while len(self._open) > self.keep:
            self._open.popitem(last=False)[1].file.close()
        return self._open[number]

    def _open_file(self, shard: Shard) -> FileIO:
        try:
            file = self._open_copy(shard)
            if os.fstat(file.fileno()).st_size != shard.bytes:
                raise self._damaged(shard)
        except OSError as error:
            raise ShardError(f"the shard {shard.file} cannot be read: {error.strerror or error}", RESTORE) from error
        except ShardError:
            raise
        except DataError as error:  # of an address, in a form that reaches the process that trains
            raise ShardError(error.message, error.hint or "") from error
        return file

    def _open_copy(self, shard: Shard) -> FileIO:
        for _ in range(_TRIES - 1):
            with suppress(FileNotFoundError):
                return self.location.path(shard.file, shard.bytes).open("rb", buffering=0)
        return self.location.path(shard.file, shard.bytes).open("rb", buffering=0)

    def _offsets(self, file: FileIO, shard: Shard) -> NDArray[np.uint32]:
        """Return where the samples of a shard begin, and the end of the last one."""
        head = bytearray(_WORD * (shard.samples + 2))
        if _read_into(file, head, 0) != len(head):
            raise self._damaged(shard)
        words = np.frombuffer(head, "<u4")
        if words[0] != shard.samples or words[-1] > shard.bytes:
            raise self._damaged(shard)
        return words[1:]

    def _damaged(self, shard: Shard) -> ShardError:
        return ShardError(f"the shard {shard.file} is damaged: it is not what was packed", RESTORE)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for another process, which opens the files itself."""
        return {**vars(self), "_open": OrderedDict()}


def _read_into(file: FileIO, content: bytearray, place: int) -> int:
    """Fill a buffer from a place in a file, which processes may share; return the number of bytes that were read."""
    if hasattr(os, "preadv"):
        return os.preadv(file.fileno(), [content], place)
    file.seek(place)  # on Windows, where each process has files of its own
    return file.readinto(content) or 0


def _item_loader(folder: Path) -> Any:
    """Return litdata's loader of the samples of a split.

    Raises:
        DataError: the index is missing or damaged, or names forms of values that are not read here.
    """
    from litdata.streaming import serializers
    from litdata.streaming.config import ChunksConfig
    from litdata.streaming.item_loader import PyTreeLoader

    path = folder / "index.json"
    try:
        config = json.loads(path.read_text())["config"]
        forms = {form.partition(":")[0] for form in config["data_format"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataError(f"the index {path} cannot be read: {error}", RESTORE) from error
    if not forms <= _SAFE or config.get("format") or config.get("compression") or config.get("encryption"):
        listed = ", ".join(sorted(forms - _SAFE)) or "a compressed or encrypted form"
        raise DataError(f"the index {path} has values of a form that is not read: {listed}", "pack the data again")
    known = {
        "bytes": serializers.BytesSerializer(),
        "int": serializers.IntegerSerializer(),
        "float": serializers.FloatSerializer(),
        "tensor": serializers.TensorSerializer(),
        "no_header_tensor": serializers.NoHeaderTensorSerializer(),
    }
    loader = PyTreeLoader()
    ChunksConfig(str(folder), known, None, loader)  # sets the loader up
    return loader
