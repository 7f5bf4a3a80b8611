"""A table in which each row is a sample, one column is the target, and the others become inputs."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from fastrun.components.data.columns import EncodedColumn, encode_column, is_row_number
from fastrun.components.data.frame import as_words, read_table
from fastrun.components.data.stratified_split import split_indices
from fastrun.components.data.target import TargetColumn, TaskChoice, read_target
from fastrun.errors import ConfigError, DataError, nearest

if TYPE_CHECKING:
    import polars as pl

log = logging.getLogger("fastrun")

_LISTED = 8  # columns that a line names at most


def table(
    root: str | None = None,
    target: str | None = None,
    task: TaskChoice = "auto",
    drop: Sequence[str] = (),
    categories: Sequence[str] = (),
    max_categories: int = 64,
    missing: Sequence[str] = ("NA", "N/A", "NaN", "nan", "null", "NULL", "?"),
    val_fraction: float = 0.2,
    test_fraction: float = 0.2,
    split_seed: int = 0,
) -> dict[str, Any]:
    """Return rows as float32 ``[n, inputs]`` with int64 labels or float32 numbers in their own unit ``[n]``.

    Rows without a target are left out. The others are split at random, class by class if there are classes. Then
    :func:`fastrun.components.data.columns.encode_column` makes inputs of the other columns, fitted to the rows of
    ``train``. ``about`` says what each column has become.

    Args:
        root: the file: .csv, .tsv or .parquet.
        target: the name of the target column.
        task: whether the target is a class or a number; ``auto`` to decide by its values.
        drop: the names of columns to leave out.
        categories: the names of columns that are words whatever they contain, such as codes made of digits.
        max_categories: the number of words of a column that get an input of their own.
        missing: the words that count as missing values.
        val_fraction: the part of the rows to validate on.
        test_fraction: the part of the rows to test on; 0 for no test set.
        split_seed: the seed of the split.

    Raises:
        ConfigError: ``root`` or ``target`` is not set, there is no such column, or the target does not fit the task.
        DataError: the file cannot be read, its target is the same in every row, or no column is useful.
    """
    if root is None:
        raise ConfigError("data.root is not set", "data.root must be a table: .csv, .tsv or .parquet")
    if max_categories < 1:
        raise ConfigError(f"data.max_categories={max_categories} is too small", "the minimum is 1")
    path = Path(root).expanduser()
    frame, name = _select_columns(read_table(path, missing), target, drop, categories)
    targets = read_target(frame[name], task)
    fractions = {"val": val_fraction} | ({"test": test_fraction} if test_fraction else {})
    rows = _split_rows(targets, fractions, split_seed)
    columns = _encode_columns(frame.drop(name), targets, rows["train"], max_categories)
    x = _stack_inputs(path, columns)
    about = {"target": name, "rows_without_target": len(frame) - len(targets.y)} | _describe_columns(columns)
    _log_summary(path.name, targets, about, columns)
    splits = {split: TensorDataset(x[rows[split]], targets.y[rows[split]]) for split in ("train", *fractions)}
    return splits | {"classes": targets.classes, "about": about}


def _select_columns(
    frame: pl.DataFrame, target: str | None, drop: Sequence[str], categories: Sequence[str]
) -> tuple[pl.DataFrame, str]:
    """Return a table without the columns to drop and with categories as words, and the name of its target."""
    if target is None:
        raise ConfigError("data.target is not set", f"choose one of {_abbreviate(frame.columns)}")
    for key, names in {"target": [target], "drop": drop, "categories": categories}.items():
        for name in names:
            if name not in frame.columns:
                hint = nearest(name, frame.columns) or f"its columns are {_abbreviate(frame.columns)}"
                raise ConfigError(f"data.{key}={name}: the table has no such column", hint)
    if target in drop:
        raise ConfigError(f"data.target={target} is also in data.drop", "remove it from one of the two")
    return frame.with_columns(as_words(frame[name]) for name in categories).drop(drop), target


def _split_rows(targets: TargetColumn, fractions: dict[str, float], seed: int) -> dict[str, Tensor]:
    """Return the indices of each split's rows among those with a target."""
    return split_indices(targets.y if targets.classes else torch.zeros(len(targets.y)), fractions, seed)


def _encode_columns(
    frame: pl.DataFrame, targets: TargetColumn, train: Tensor, max_categories: int
) -> dict[str, EncodedColumn]:
    import polars

    row_numbers = [column.name for column in frame if is_row_number(column)]  # in the whole table
    frame = frame.filter(polars.Series(targets.is_known))
    encoded = {column.name: encode_column(column, train.numpy(), max_categories) for column in frame}
    return encoded | {name: EncodedColumn("the number of the row") for name in row_numbers}


def _stack_inputs(path: Path, columns: dict[str, EncodedColumn]) -> Tensor:
    inputs = [values for column in columns.values() for values in column.inputs.values()]
    if not inputs:
        reasons = _abbreviate(f"{name} ({column.kind})" for name, column in columns.items())
        raise DataError(f"{path} has no column to learn from", f"left out: {reasons}" if columns else "add columns")
    return torch.from_numpy(np.stack(inputs, axis=1))


def _describe_columns(columns: dict[str, EncodedColumn]) -> dict[str, Any]:
    """Return what the run directory records about the columns."""
    used = {name: column for name, column in columns.items() if column.inputs}
    return {
        "columns": {name: column.kind for name, column in used.items()},
        "inputs": [name for column in used.values() for name in column.inputs],
        "scale": {name: column.scale for name, column in used.items() if column.scale},
        "missing": {name: column.missing for name, column in used.items() if column.missing},
        "dropped": {name: column.kind for name, column in columns.items() if not column.inputs},
    }


def _log_summary(name: str, targets: TargetColumn, about: dict[str, Any], columns: dict[str, EncodedColumn]) -> None:
    """Log what the table contains, and what is left out of it."""
    kind = f"{len(targets.classes)} classes" if targets.classes else "a number"
    log.info(f"{name}: {about['target']} is {kind}; {len(targets.y)} rows, {len(about['inputs'])} inputs")
    if without := about["rows_without_target"]:
        log.info(f"{name}: {without} rows without {about['target']} are left out")
    lists = {
        "columns left out": [f"{column} ({reason})" for column, reason in about["dropped"].items()],
        "missing values": [f"{column} {count}" for column, count in about["missing"].items()],
        "words taken as missing values": [f"{column} ({own.note})" for column, own in columns.items() if own.note],
        "classes with a single row, which is trained on": _single_row_classes(targets),
    }
    for title, entries in lists.items():
        if entries:
            log.info(f"{name}: {title}: {_abbreviate(entries)}")


def _single_row_classes(targets: TargetColumn) -> list[str]:
    counts = torch.bincount(targets.y).tolist() if targets.classes else []
    return [name for name, count in zip(targets.classes or [], counts, strict=True) if count == 1]


def _abbreviate(entries: Iterable[str]) -> str:
    """Return the first entries as text, and how many more there are."""
    whole = list(entries)
    more = f" and {len(whole) - _LISTED} more" if len(whole) > _LISTED else ""
    return ", ".join(whole[:_LISTED]) + more
