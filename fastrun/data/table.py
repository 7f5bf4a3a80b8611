"""A table of one's own: each row a sample, one column the target, the others made into inputs."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from fastrun.data.columns import Encoded, counts_rows, encode
from fastrun.data.frame import read, worded
from fastrun.data.split import parts
from fastrun.data.target import Target, Task
from fastrun.data.target import target as target_of
from fastrun.errors import ConfigError, DataError, nearest

if TYPE_CHECKING:
    import polars as pl

log = logging.getLogger("fastrun")

_TOLD = 8  # columns named in a line


def table(
    root: str | None = None,
    target: str | None = None,
    task: Task = "auto",
    drop: Sequence[str] = (),
    categories: Sequence[str] = (),
    max_categories: int = 64,
    missing: Sequence[str] = ("NA", "N/A", "NaN", "nan", "null", "NULL", "?"),
    val_fraction: float = 0.2,
    test_fraction: float = 0.2,
    split_seed: int = 0,
) -> dict[str, Any]:
    """Return rows as float32 ``[n, inputs]`` with labels (int64) or numbers (float32, in their own unit) ``[n]``.

    Rows without a target are left out. The others are split at random, by class where there are classes; then
    :func:`fastrun.data.columns.encode` makes inputs of the columns, fitted to the rows of ``train``. The columns named
    in ``categories`` are words whatever they hold, such as codes of digits. ``about`` says what became of each column.

    Raises:
        ConfigError: ``root`` or ``target`` is not set, there is no such column, or the target does not fit the task.
        DataError: the file cannot be read, its target is the same in every row, or no column is of use.
    """
    if root is None:
        raise ConfigError("data.root is not set", "data.root must be a table: .csv, .tsv or .parquet")
    if max_categories < 1:
        raise ConfigError(f"data.max_categories={max_categories} is too small", "the least is 1")
    path = Path(root).expanduser()
    frame, name = _asked(read(path, missing), target, drop, categories)
    wanted = target_of(frame[name], task)
    fractions = {"val": val_fraction} | ({"test": test_fraction} if test_fraction else {})
    places = _split(wanted, fractions, split_seed)
    columns = _encoded(frame.drop(name), wanted, places["train"], max_categories)
    x = _joined(path, columns)
    about = {"target": name, "rows_without_target": len(frame) - len(wanted.y)} | _about(columns)
    _tell(path.name, wanted, about, columns)
    sets = {part: TensorDataset(x[places[part]], wanted.y[places[part]]) for part in ("train", *fractions)}
    return sets | {"classes": wanted.classes, "about": about}


def _asked(
    frame: pl.DataFrame, target: str | None, drop: Sequence[str], categories: Sequence[str]
) -> tuple[pl.DataFrame, str]:
    """Return a table without the columns that are to be dropped, its codes as words, and the name of its target."""
    if target is None:
        raise ConfigError("data.target is not set", f"choose one of {_some(frame.columns)}")
    for key, names in {"target": [target], "drop": drop, "categories": categories}.items():
        for name in names:
            if name not in frame.columns:
                hint = nearest(name, frame.columns) or f"its columns are {_some(frame.columns)}"
                raise ConfigError(f"data.{key}={name}: the table has no such column", hint)
    if target in drop:
        raise ConfigError(f"data.target={target} is in data.drop, too", "leave it in one of them")
    return frame.with_columns(worded(frame[name]) for name in categories).drop(drop), target


def _split(wanted: Target, fractions: dict[str, float], seed: int) -> dict[str, Tensor]:
    """Return the places of each part's rows among those with a target."""
    return parts(wanted.y if wanted.classes else torch.zeros(len(wanted.y)), fractions, seed)


def _encoded(frame: pl.DataFrame, wanted: Target, train: Tensor, max_categories: int) -> dict[str, Encoded]:
    import polars

    row_numbers = [column.name for column in frame if counts_rows(column)]  # in the whole table
    frame = frame.filter(polars.Series(wanted.has))
    found = {column.name: encode(column, train.numpy(), max_categories) for column in frame}
    return found | {name: Encoded("the number of the row") for name in row_numbers}


def _joined(path: Path, columns: dict[str, Encoded]) -> Tensor:
    inputs = [values for column in columns.values() for values in column.inputs.values()]
    if not inputs:
        reasons = _some(f"{name} ({column.kind})" for name, column in columns.items())
        raise DataError(f"{path} has no column to learn from", f"left out: {reasons}" if columns else "add columns")
    return torch.from_numpy(np.stack(inputs, axis=1))


def _about(columns: dict[str, Encoded]) -> dict[str, Any]:
    used = {name: column for name, column in columns.items() if column.inputs}
    return {
        "columns": {name: column.kind for name, column in used.items()},
        "inputs": [name for column in used.values() for name in column.inputs],
        "scale": {name: column.scale for name, column in used.items() if column.scale},
        "missing": {name: column.missing for name, column in used.items() if column.missing},
        "dropped": {name: column.kind for name, column in columns.items() if not column.inputs},
    }


def _tell(name: str, wanted: Target, about: dict[str, Any], columns: dict[str, Encoded]) -> None:
    kind = f"{len(wanted.classes)} classes" if wanted.classes else "a number"
    log.info(f"{name}: {about['target']} is {kind}; {len(wanted.y)} rows, {len(about['inputs'])} inputs")
    if without := about["rows_without_target"]:
        log.info(f"{name}: {without} rows without {about['target']} are left out")
    lines = {
        "left out": [f"{column} ({why})" for column, why in about["dropped"].items()],
        "values missing": [f"{column} {count}" for column, count in about["missing"].items()],
        "taken as missing": [f"{column} ({found.note})" for column, found in columns.items() if found.note],
        "classes of one row, which is trained on": _single(wanted),
    }
    for what, entries in lines.items():
        if entries:
            log.info(f"{name}: {what}: {_some(entries)}")


def _single(wanted: Target) -> list[str]:
    counts = torch.bincount(wanted.y).tolist() if wanted.classes else []
    return [name for name, count in zip(wanted.classes or [], counts, strict=True) if count == 1]


def _some(entries: Iterable[str]) -> str:
    whole = list(entries)
    more = f" and {len(whole) - _TOLD} more" if len(whole) > _TOLD else ""
    return ", ".join(whole[:_TOLD]) + more
