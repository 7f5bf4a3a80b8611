"""A table in which each row is a sample, one column is the target, and the others become inputs."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fastrun.components.data.columns import ColumnEncoding, FittedColumn, fit_column, is_row_number
from fastrun.components.data.fingerprint import file_fingerprint
from fastrun.components.data.frame import ROOT_HINT, abbreviate, as_words, check_columns, read_table
from fastrun.components.data.learned import DataState
from fastrun.components.data.sample_names import NamedSamples, RowNames
from fastrun.components.data.stratified_split import split_indices
from fastrun.components.data.target import TargetColumn, TaskChoice, encode_target, read_target
from fastrun.config.constraints import BelowOne, Count, Natural
from fastrun.errors import ConfigError, DataError, nearest

if TYPE_CHECKING:
    import polars as pl

log = logging.getLogger("fastrun")


def table(
    root: str | None = None,
    target: str | None = None,
    task: TaskChoice = "auto",
    drop: Sequence[str] = (),
    categories: Sequence[str] = (),
    max_categories: Count = 64,
    missing: Sequence[str] = ("NA", "N/A", "NaN", "nan", "null", "NULL", "?"),
    val_fraction: BelowOne = 0.2,
    test_fraction: BelowOne = 0.2,
    split_seed: Natural = 0,
    learned: DataState | None = None,
) -> dict[str, Any]:
    """Return rows as float32 ``[n, inputs]`` with int64 labels or float32 numbers in their own unit ``[n]``.

    Rows without a target are left out. The others are split at random, class by class if there are classes. Then
    :func:`fastrun.components.data.columns.fit_column` makes inputs of the other columns, fitted to the rows of
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
        learned: what a run learned from its data, to encode and split the rows as that run did.

    Raises:
        ConfigError: ``root`` or ``target`` is not set, there is no such column, or the target does not fit the task.
        DataError: the file cannot be read, its target is the same in every row, or no column is useful.
    """
    if root is None:
        raise ConfigError("data.root is not set", ROOT_HINT)
    path = Path(root).expanduser()
    frame, name = _select_columns(read_table(path, missing), target, drop, categories)
    found = {"fingerprint": file_fingerprint(path) | {"rows": len(frame)}}
    if learned is not None:
        return found | _encode_as_learned(path, frame, name, learned)
    targets = read_target(frame[name], task)
    fractions = {"val": val_fraction} | ({"test": test_fraction} if test_fraction else {})
    rows = _split_rows(targets, fractions, split_seed)
    columns = _fit_columns(frame.drop(name), targets, rows["train"], max_categories)
    about = {"target": name, "rows_without_target": len(frame) - len(targets.y)} | _describe_columns(columns)
    splits = _build_splits(path, _stack_inputs(path, columns), targets, rows)
    _log_summary(path.name, targets, about, columns)
    encoding = {"columns": _states(columns), "target": name, "missing": list(missing)}
    return found | splits | {"classes": targets.classes, "about": about, "encoding": encoding}


def _build_splits(path: Path, x: Tensor, targets: TargetColumn, rows: dict[str, Tensor]) -> dict[str, Any]:
    """Return each split as a data set, and the indices of the rows of all but ``train`` as ``split``."""
    others = {name: indices for name, indices in rows.items() if name != "train"}
    return _samples(path, x, targets, {"train": rows["train"]} | others) | {"split": others}


def _samples(path: Path, x: Tensor, targets: TargetColumn, rows: dict[str, Tensor]) -> dict[str, Any]:
    """Return the rows of each split, which count among those with a target, as a data set."""
    places = np.flatnonzero(targets.is_known)
    return {
        name: NamedSamples(x[own], targets.y[own], RowNames(str(path), places[own.numpy()].tolist()))
        for name, own in rows.items()
    }


def _states(columns: list[FittedColumn]) -> list[dict[str, Any]]:
    """Return the encodings of the columns that became inputs, as plain data."""
    return [column.encoding.state() for column in columns if column.inputs]


def _encode_as_learned(path: Path, frame: pl.DataFrame, name: str, learned: DataState) -> dict[str, Any]:
    """Return rows as a run encoded its own, split as there; all rows as one part if the rows are not the run's."""
    targets = encode_target(frame[name], learned.classes)
    import polars

    x = torch.from_numpy(encode_rows(frame.filter(polars.Series(targets.is_known)), learned.encoding, str(path)))
    splits = _samples(path, x, targets, learned.split_indices(len(targets.y)))
    return splits | {"classes": learned.classes, "encoding": learned.encoding, "split": learned.split}


def encode_rows(frame: pl.DataFrame, encoding: dict[str, Any], origin: str) -> NDArray[np.float32]:
    """Encode the rows of a table as a run encoded its own.

    Args:
        frame: a table with the columns of :func:`fastrun.components.data.frame.read_table`.
        encoding: what :func:`table` returned as ``encoding``.
        origin: where the rows are from, for messages.

    Returns:
        The inputs, ``[rows, inputs]``.

    Raises:
        DataError: a column is missing, or its values are of another kind.
    """
    columns = [ColumnEncoding(**state) for state in encoding["columns"]]
    for column in columns:
        if column.name not in frame.columns:
            hint = (
                nearest(column.name, frame.columns) or f"the run was trained on {abbreviate(c.name for c in columns)}"
            )
            raise DataError(f"{origin} has no column {column.name}", hint)
        _check_words(column, column.unknown_words(frame[column.name]), origin)
    encoded = [values for column in columns for values in column.encode(frame[column.name]).values()]
    return np.stack(encoded, axis=1)


def _check_words(column: ColumnEncoding, unknown: list[str], origin: str) -> None:
    """Refuse words in a column of numbers, and say which words the training data did not have.

    Raises:
        DataError: there are words in a column of numbers.
    """
    if not unknown:
        return
    listed = abbreviate(map(repr, unknown))
    if column.kind == "number":
        raise DataError(
            f"{origin} has words in the column {column.name}, which held numbers when the run was trained: {listed}",
            "correct them, or leave values out that are missing",
        )
    log.warning(f"{origin}: {column.name} was never {listed} when the run was trained: it counts as none of its words")


def _select_columns(
    frame: pl.DataFrame, target: str | None, drop: Sequence[str], categories: Sequence[str]
) -> tuple[pl.DataFrame, str]:
    """Return a table without the columns to drop and with categories as words, and the name of its target."""
    check_columns(frame.columns, target, drop, categories)
    assert target is not None
    return frame.with_columns(as_words(frame[name]) for name in categories).drop(drop), target


def _split_rows(targets: TargetColumn, fractions: dict[str, float], seed: int) -> dict[str, Tensor]:
    """Return the indices of each split's rows among those with a target."""
    return split_indices(targets.y if targets.classes else torch.zeros(len(targets.y)), fractions, seed)


def _fit_columns(frame: pl.DataFrame, targets: TargetColumn, train: Tensor, max_categories: int) -> list[FittedColumn]:
    import polars

    row_numbers = [column.name for column in frame if is_row_number(column)]  # in the whole table
    frame = frame.filter(polars.Series(targets.is_known))
    fitted = [fit_column(column, train.numpy(), max_categories) for column in frame if column.name not in row_numbers]
    return fitted + [FittedColumn(ColumnEncoding(name, "the number of the row")) for name in row_numbers]


def _stack_inputs(path: Path, columns: list[FittedColumn]) -> Tensor:
    inputs = [values for column in columns for values in column.inputs.values()]
    if not inputs:
        reasons = abbreviate(f"{column.encoding.name} ({column.encoding.kind})" for column in columns)
        raise DataError(f"{path} has no column to learn from", f"left out: {reasons}" if columns else "add columns")
    return torch.from_numpy(np.stack(inputs, axis=1))


def _describe_columns(columns: list[FittedColumn]) -> dict[str, Any]:
    """Return what the run directory records about the columns."""
    used = {column.encoding.name: column for column in columns if column.inputs}
    return {
        "columns": {name: column.encoding.kind for name, column in used.items()},
        "inputs": [name for column in used.values() for name in column.inputs],
        "scale": {name: column.encoding.scale for name, column in used.items() if column.encoding.scale},
        "missing": {name: column.missing for name, column in used.items() if column.missing},
        "dropped": {column.encoding.name: column.encoding.kind for column in columns if not column.inputs},
    }


def _log_summary(name: str, targets: TargetColumn, about: dict[str, Any], columns: list[FittedColumn]) -> None:
    """Log what the table contains, and what is left out of it."""
    kind = f"{len(targets.classes)} classes" if targets.classes else "a number"
    log.info(f"{name}: {about['target']} is {kind}; {len(targets.y)} rows, {len(about['inputs'])} inputs")
    if without := about["rows_without_target"]:
        log.info(f"{name}: {without} rows without {about['target']} are left out")
    lists = {
        "columns left out": [f"{column} ({reason})" for column, reason in about["dropped"].items()],
        "missing values": [f"{column} {count}" for column, count in about["missing"].items()],
        "words taken as missing values": [
            f"{column.encoding.name} ({column.note})" for column in columns if column.note
        ],
        "classes with a single row, which is trained on": _single_row_classes(targets),
    }
    for title, entries in lists.items():
        if entries:
            log.info(f"{name}: {title}: {abbreviate(entries)}")


def _single_row_classes(targets: TargetColumn) -> list[str]:
    counts = torch.bincount(targets.y).tolist() if targets.classes else []
    return [name for name, count in zip(targets.classes or [], counts, strict=True) if count == 1]
