"""Writes samples as shards in the format of litdata."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fastrun.components.data.packed.manifest import Shard
from fastrun.errors import DataError, StorageError
from fastrun.storage.atomic import sha256_of, sync

_LARGEST = (1 << 32) - 1  # bytes of a shard, whose offsets have 32 bits
INSTALL = "pip install 'fastrun[stream]'"


def check_installed() -> None:
    """Check that litdata can be imported.

    Raises:
        DataError: it is not installed.
    """
    try:
        import litdata  # noqa: F401
    except ImportError as error:
        raise DataError("packed data needs litdata, which is not installed", INSTALL) from error


def write_shards(root: Path, split: str, samples: Iterable[Any], shard_bytes: int) -> list[Shard]:
    """Write the samples of a split, in their order.

    Args:
        root: the folder of the pack.
        split: the split, whose folder is made.
        samples: tuples of bytes, numbers and tensors, all of one form.
        shard_bytes: the bytes of a shard, about; a shard has at least one sample.

    Returns:
        The shards, which are on the disk.

    Raises:
        StorageError: a shard cannot be written.
    """
    from litdata.streaming.serializers import (
        BytesSerializer,
        FloatSerializer,
        IntegerSerializer,
        NoHeaderTensorSerializer,
        TensorSerializer,
    )
    from litdata.streaming.writer import BinaryWriter

    folder = root / split
    with _storage_errors(folder), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="An item was larger than the target chunk size")
        folder.mkdir(parents=True)
        serializers = {  # the first that can serialize a value does; none of them pickles
            "bytes": BytesSerializer(),
            "int": IntegerSerializer(),
            "float": FloatSerializer(),
            "no_header_tensor": NoHeaderTensorSerializer(),
            "tensor": TensorSerializer(),
        }
        writer = BinaryWriter(str(folder), chunk_bytes=min(shard_bytes, _LARGEST // 2), serializers=serializers)
        count = 0
        for sample in samples:
            writer.add_item(count, sample)
            count += 1
        if not count:  # litdata would wait for an index
            raise DataError(f"the {split} set is empty", "leave out fewer images, or give it a larger part")
        writer.done()
        writer.merge()
        return list(_on_disk(folder))


def _on_disk(folder: Path) -> Iterator[Shard]:
    """Yield the shards of a folder, after each has been synced and hashed."""
    index = folder / "index.json"
    for chunk in json.loads(index.read_text())["chunks"]:
        path = folder / chunk["filename"]
        sync(path)
        yield Shard(f"{folder.name}/{path.name}", chunk["chunk_size"], path.stat().st_size, sha256_of(path))
    sync(index)
    sync(folder)


@contextmanager
def _storage_errors(folder: Path) -> Iterator[None]:
    """Report a file that cannot be written; what cannot be read has errors of its own."""
    try:
        yield
    except OSError as error:
        where = error.filename or folder
        problem = f"{where} cannot be written: {error.strerror or error}"
        raise StorageError(problem, "free some space, or pack into another folder") from error
