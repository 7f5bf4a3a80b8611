"""Reads single samples of shards, from any place, with a few files open at a time."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fastrun.components.data.packed.location import Location
from fastrun.components.data.packed.manifest import RESTORE, Shard, index_file
from fastrun.components.data.packed.shard_file import ShardFile
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

    file: ShardFile
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
        content = self._read(opened.file, self.shards[shard], low, high - low)
        return tuple(self.loader.deserialize(content))

    def _opened(self, number: int) -> _OpenShard:
        """Return a shard that is open, and close the one that was used least recently if there are too many."""
        if number in self._open:
            self._open.move_to_end(number)
            return self._open[number]
        shard = self.shards[number]
        file = self._open_file(shard)
        if self.checked[number]:
            file.expect()  # the samples of a window are read at random
        elif self._hash(file, shard) != shard.sha256:
            raise self._damaged(shard)
        self.checked[number] = 1
        self._open[number] = _OpenShard(file, self._offsets(file, shard))
        while len(self._open) > self.keep:
            self._open.popitem(last=False)
        return self._open[number]

    def _open_file(self, shard: Shard) -> ShardFile:
        try:
            file = self._open_copy(shard)
        except OSError as error:
            raise _unreadable(shard, error) from error
        except DataError as error:  # of an address, in a form that reaches the process that trains
            raise ShardError(error.message, error.hint or "") from error
        if file.size != shard.bytes:
            raise self._damaged(shard)
        return file

    def _open_copy(self, shard: Shard) -> ShardFile:
        for _ in range(_TRIES - 1):
            with suppress(FileNotFoundError):
                return ShardFile(self.location.path(shard.file, shard.bytes))
        return ShardFile(self.location.path(shard.file, shard.bytes))

    def _hash(self, file: ShardFile, shard: Shard) -> str:
        try:
            return file.sha256()
        except OSError as error:
            raise _unreadable(shard, error) from error

    def _read(self, file: ShardFile, shard: Shard, place: int, count: int) -> bytearray:
        """Return bytes of a shard; it has as many, unless it was changed after it was opened."""
        try:
            content = file.read(place, count)
        except OSError as error:
            raise _unreadable(shard, error) from error
        if len(content) != count:
            raise self._damaged(shard)
        return content

    def _offsets(self, file: ShardFile, shard: Shard) -> NDArray[np.uint32]:
        """Return where the samples of a shard begin, and the end of the last one."""
        words = np.frombuffer(self._read(file, shard, 0, _WORD * (shard.samples + 2)), "<u4")
        if words[0] != shard.samples or words[-1] > shard.bytes:
            raise self._damaged(shard)
        return words[1:]

    def _damaged(self, shard: Shard) -> ShardError:
        return ShardError(f"the shard {shard.file} is damaged: it is not what was packed", RESTORE)

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for another process, which opens the files itself."""
        return {**vars(self), "_open": OrderedDict()}


def _unreadable(shard: Shard, error: OSError) -> ShardError:
    return ShardError(f"the shard {shard.file} cannot be read: {error.strerror or error}", RESTORE)


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
