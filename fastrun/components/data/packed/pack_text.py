"""Packs a text file of any size: windows of characters, as the numbers of a vocabulary."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from fastrun.components.data.packed.manifest import Manifest
from fastrun.components.data.packed.options import PackOptions
from fastrun.components.data.packed.shards import write_shards
from fastrun.components.data.progress import show_progress
from fastrun.components.data.stratified_split import check_fractions
from fastrun.components.data.text_file import TEXT_HINT, check_is_file, empty_error
from fastrun.components.task import Task
from fastrun.errors import DataError, StorageError
from fastrun.system.seed import generator

_UNICODE = 0x110000  # the number of code points
_BLOCK = 1 << 22  # bytes that are read at a time
_TOKENS = "tokens.partial"  # the whole text as numbers, while it is packed


def pack_text(source: Path, out: Path, options: PackOptions) -> Manifest:
    """Write a text as shards of windows, the training windows in random order.

    The windows, the splits and the vocabulary are those of ``data=text``. The file is read twice, in parts; the numbers
    of its characters lie in a file meanwhile.

    Args:
        source: the file, in UTF-8.
        out: the folder of the pack.
        options: how to pack.

    Raises:
        DataError: the file is not UTF-8, has one character only, or is too short.
        StorageError: a shard cannot be written.
    """
    fractions = options.fractions(0.1, 0.0)
    check_fractions(fractions)
    check_is_file(source, TEXT_HINT)
    with show_progress("reading the text", source.stat().st_size) as on_progress:
        vocabulary, count = _vocabulary(source, on_progress)
    if len(vocabulary) < 2:
        raise _nothing_to_predict(source, vocabulary)
    bounds = _bounds(count, fractions, options.length)
    path = out / _TOKENS
    try:
        tokens = _tokens(source, path, vocabulary, count)
        shards = _write(out, tokens, bounds, options)
    except OSError as error:
        raise StorageError(f"{path} cannot be written: {error.strerror}", "free some space, and pack again") from error
    finally:
        path.unlink(missing_ok=True)
    return Manifest(
        kind="text",
        shape=(options.length,),
        classes=[chr(code) for code in vocabulary],
        task=asdict(Task("language", len(vocabulary))),
        splits=shards,
        about={
            "source": str(source),
            "characters": {name: high - low for name, (low, high) in bounds.items()},
            "vocabulary": len(vocabulary),
        },
    )


def _characters(source: Path) -> Iterator[tuple[NDArray[np.uint32], int]]:
    """Yield the code points of parts of a text, and the bytes of the file that each has been made of.

    Raises:
        DataError: it is not UTF-8; the message says from which byte on.
    """
    decoder, position, is_first = codecs.getincrementaldecoder("utf-8")(), 0, True
    with source.open("rb") as file:
        while True:
            block = file.read(_BLOCK)
            kept = len(decoder.getstate()[0])
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                place = position - kept + error.start
                hint = f"save it as UTF-8: iconv -f ENCODING -t UTF-8 {source}"
                wrong = error.object[error.start]
                raise DataError(f"{source} is not UTF-8: byte {place} is 0x{wrong:02x}", hint) from error
            if is_first:
                text, is_first = text.removeprefix("\ufeff"), False
            yield np.frombuffer(text.encode("utf-32-le"), np.uint32), len(block)
            position += len(block)
            if not block:
                return


def _vocabulary(source: Path, on_progress: Callable[[int], None]) -> tuple[list[int], int]:
    """Return the code points that a text has, sorted, and the number of its characters."""
    occurs, count = np.zeros(_UNICODE, bool), 0
    for codes, size in _characters(source):
        occurs[codes] = True
        count += len(codes)
        on_progress(size)
    return occurs.nonzero()[0].tolist(), count


def _nothing_to_predict(source: Path, vocabulary: list[int]) -> DataError:
    if not vocabulary:
        return empty_error(source)
    return DataError(f"{source} has one character only, {chr(vocabulary[0])!r}", "there is nothing to predict")


def _bounds(count: int, fractions: dict[str, float], length: int) -> dict[str, tuple[int, int]]:
    """Return the first character of each split, and the one after its last.

    Raises:
        DataError: a split is too short for a window.
    """
    val, test = (int(count * fractions[name]) for name in ("val", "test"))
    train = count - val - test
    bounds = {"train": (0, train), "val": (train, train + val)} | ({"test": (train + val, count)} if test else {})
    for name, (low, high) in bounds.items():
        if high - low <= length:
            raise DataError(
                f"the {name} set has {high - low} characters, but a window of --length {length} needs {length + 1}",
                f"use a longer text, a smaller --length, or a larger part of the text for {name}",
            )
    return bounds


def _tokens(source: Path, path: Path, vocabulary: list[int], count: int) -> NDArray[Any]:
    """Write the number of each character into a file, and return the file mapped into memory."""
    kind = np.uint8 if len(vocabulary) <= 1 << 8 else np.int16 if len(vocabulary) <= 1 << 15 else np.int32
    number_of = np.zeros(_UNICODE, kind)
    number_of[vocabulary] = np.arange(len(vocabulary), dtype=kind)
    with path.open("xb") as file:
        for codes, _ in _characters(source):
            file.write(number_of[codes].tobytes())
    return np.memmap(path, kind, "r", shape=(count,))


def _write(
    out: Path, tokens: NDArray[Any], bounds: dict[str, tuple[int, int]], options: PackOptions
) -> dict[str, list[Any]]:
    """Write the windows of each split, and return its shards."""
    counts = {name: (high - low - 1) // options.length for name, (low, high) in bounds.items()}
    shards = {}
    with show_progress("packing windows", sum(counts.values())) as on_progress:
        for name, (low, _) in bounds.items():
            order = torch.arange(counts[name])
            if name == "train":
                order = torch.randperm(len(order), generator=generator(options.seed, "pack"))
            windows = _windows(tokens, low, options.length, order, on_progress)
            shards[name] = write_shards(out, name, windows, options.shard_bytes)
    return shards


def _windows(
    tokens: NDArray[Any], low: int, length: int, order: torch.Tensor, on_progress: Callable[[int], None]
) -> Iterator[tuple[torch.Tensor]]:
    """Yield windows of one token more than they are long: each token but the first is a target once."""
    for number in order.tolist():
        start = low + number * length
        on_progress(1)
        yield (torch.from_numpy(tokens[start : start + length + 1].copy()),)
