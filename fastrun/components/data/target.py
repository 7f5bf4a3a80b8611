"""Reads the target column of a table, which contains classes or numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fastrun.components.data.class_names import unknown_classes
from fastrun.errors import ConfigError, DataError

if TYPE_CHECKING:
    import polars as pl

TaskChoice = Literal["auto", "classification", "regression"]

_MAX_CLASSES = 20  # whole numbers are classes if at most so many differ, …
_MAX_CLASS_SHARE = 0.1  # … in relation to the number of rows: a rating or a species, not a count


@dataclass(frozen=True)
class TargetColumn:
    """The targets of the rows that have one.

    Attributes:
        y: int64 labels or float32 numbers, ``[rows with a target]``.
        classes: the names of the labels; None if the targets are numbers.
        is_known: whether each row of the table has a target, ``[rows]``.
    """

    y: Tensor
    classes: list[str] | None
    is_known: NDArray[np.bool_]


def read_target(column: pl.Series, task: TaskChoice) -> TargetColumn:
    """Read a target column.

    Words, booleans and few different whole numbers are classes, labeled in the order of their sorted names or values.
    Other numbers are the targets of a regression.

    Args:
        column: the column.
        task: whether the targets are classes or numbers; ``auto`` to decide as above.

    Raises:
        ConfigError: the column cannot be the target of the task.
        DataError: no row has a target, or all rows have the same.
    """
    if not column.dtype.is_numeric() and str(column.dtype) not in ("String", "Boolean"):
        raise ConfigError(f"data.target={column.name} holds {column.dtype}", "it must hold words, booleans or numbers")
    known = column.is_not_null() & column.is_finite() if column.dtype.is_numeric() else column.is_not_null()
    values = column.filter(known).to_numpy()
    is_known = known.to_numpy()
    different, codes = np.unique(values, return_inverse=True)
    if len(different) < 2:
        problem = f"{different[0]} in every row" if len(different) else "missing in every row"
        raise DataError(f"data.target={column.name} is {problem}", "there is nothing to learn")
    if _is_classes(different, len(values), task):
        return TargetColumn(torch.from_numpy(codes), _class_names(different, len(values), column.name), is_known)
    return TargetColumn(_numbers(values, column), None, is_known)


def encode_target(column: pl.Series, classes: list[str] | None) -> TargetColumn:
    """Read a target column with the classes that a run learned.

    Args:
        column: the column.
        classes: the names of the run's classes; None if it learned numbers.

    Raises:
        DataError: no row has a target, or one has a class that the run does not know, or words instead of numbers.
    """
    known = column.is_not_null() & column.is_finite() if column.dtype.is_numeric() else column.is_not_null()
    values, is_known = column.filter(known).to_numpy(), known.to_numpy()
    if not len(values):
        raise DataError(f"data.target={column.name} is missing in every row", "there is nothing to measure")
    if classes is None:
        if not column.dtype.is_numeric():
            raise DataError(f"data.target={column.name} holds words such as {values[0]!r}", "the run learned numbers")
        return TargetColumn(torch.from_numpy(values.astype(np.float64)).float(), None, is_known)
    label_of = {name: label for label, name in enumerate(classes)}
    names = [_class_name(value) for value in values.tolist()]
    if unknown := sorted(set(names) - label_of.keys()):
        raise unknown_classes(f"data.target={column.name}", unknown, classes)
    return TargetColumn(torch.tensor([label_of[name] for name in names]), classes, is_known)


def _is_classes(different: NDArray[np.generic], rows: int, task: TaskChoice) -> bool:
    if task != "auto":
        return task == "classification"
    if different.dtype.kind != "f":
        return True
    are_whole = np.array_equal(different, np.round(different))
    return are_whole and len(different) <= max(2, min(_MAX_CLASSES, int(_MAX_CLASS_SHARE * rows)))


def _class_names(different: NDArray[np.generic], rows: int, name: str) -> list[str]:
    if len(different) > rows / 2:
        raise ConfigError(
            f"data.target={name} has {len(different)} different values in {rows} rows: too many to be classes",
            "choose another column, or use data.task=regression for numbers",
        )
    return [_class_name(value) for value in different.tolist()]


def _class_name(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _numbers(values: NDArray[np.generic], column: pl.Series) -> Tensor:
    if str(column.dtype) == "String":
        raise ConfigError(
            f"data.target={column.name} holds words such as {values[0]!r}", "use data.task=classification"
        )
    y = torch.from_numpy(values.astype(np.float64)).float()
    if not torch.isfinite(y).all() or y.min() == y.max():
        raise DataError(f"data.target={column.name} does not fit float32", "express it in another unit")
    return y
