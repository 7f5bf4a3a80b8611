"""Packs a table: each row as the inputs that ``data=table`` makes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import TensorDataset

from fastrun.components.data.packed.manifest import Manifest
from fastrun.components.data.packed.options import PackOptions
from fastrun.components.data.packed.shards import write_shards
from fastrun.components.data.progress import show_progress
from fastrun.components.data.splits import check_splits, size_of
from fastrun.components.data.table import table
from fastrun.system.seed import generator


def pack_table(source: Path, out: Path, options: PackOptions) -> Manifest:
    """Write the rows of a table as shards, the training rows in random order.

    The machine that packs needs memory for the whole table: its columns are fitted to all training rows.

    Args:
        source: the file, as ``data=table`` takes it.
        out: the folder of the pack.
        options: how to pack.

    Raises:
        ConfigError: there is no such column.
        DataError: the table cannot be read, or there is nothing to learn from it.
        StorageError: a shard cannot be written.
    """
    fractions = options.fractions(0.2, 0.2)
    splits = check_splits(
        table(
            str(source),
            options.target,
            drop=options.drop,
            categories=options.categories,
            val_fraction=fractions["val"],
            test_fraction=fractions["test"],
            split_seed=options.seed,
        )
    )
    parts: dict[str, Any] = {"train": splits.train, "val": splits.val, "test": splits.test}
    shards = {}
    with show_progress("packing rows", sum(size_of(part) for part in parts.values() if part)) as on_progress:
        for name, part in parts.items():
            if part is not None:
                rows = _rows(part, name == "train", options.seed, on_progress)
                shards[name] = write_shards(out, name, rows, options.shard_bytes)
    return Manifest(
        kind="table",
        shape=splits.in_shape,
        classes=splits.classes,
        task=asdict(splits.task),
        splits=shards,
        encoding=splits.encoding,
        about=splits.about | {"source": str(source)},
    )


def _rows(
    part: TensorDataset, is_shuffled: bool, seed: int, on_progress: Callable[[int], None]
) -> Iterator[tuple[torch.Tensor, float | int]]:
    """Yield the inputs and the target of each row."""
    x, y = part.tensors
    order = torch.randperm(len(x), generator=generator(seed, "pack")) if is_shuffled else torch.arange(len(x))
    for row in order.tolist():
        on_progress(1)
        yield x[row], y[row].item()
