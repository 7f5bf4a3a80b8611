"""What a table's target column asks for: one of several classes, or a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from fastrun.errors import ConfigError, DataError

if TYPE_CHECKING:
    import polars as pl

Task = Literal["auto", "classification", "regression"]

_FEW = 20  # different whole numbers that may be classes …
_SHARE = 0.1  # … where they are no more than this share of the rows: a rating or a species, not a count


@dataclass(frozen=True)
class Target:
    """The target of the rows that have one: ``y`` int64 with the names of ``classes``, or float32 with none."""

    y: Tensor
    classes: list[str] | None
    has: NDArray[np.bool_]  # of all rows, those with a target


def target(column: pl.Series, task: Task) -> Target:
    """Read a target column; classes are numbered in the order of their sorted names or values.

    Words, booleans and few different whole numbers are classes, other numbers are numbers.

    Raises:
        ConfigError: the column is of no use for the task.
        DataError: no row has a target, or all have the same.
    """
    if not column.dtype.is_numeric() and str(column.dtype) not in ("String", "Boolean"):
        raise ConfigError(f"data.target={column.name} holds {column.dtype}", "it must hold words, booleans or numbers")
    known = column.is_not_null() & column.is_finite() if column.dtype.is_numeric() else column.is_not_null()
    values = column.filter(known).to_numpy()
    has = known.to_numpy()
    different, codes = np.unique(values, return_inverse=True)
    if len(different) < 2:
        found = f"{different[0]} in every row" if len(different) else "missing in every row"
        raise DataError(f"data.target={column.name} is {found}", "there is nothing to tell apart")
    if _is_classes(different, len(values), task):
        return Target(torch.from_numpy(codes), _names(different, len(values), column.name), has)
    return Target(_numbers(values, column), None, has)


def _is_classes(different: NDArray[np.generic], rows: int, task: Task) -> bool:
    if task != "auto":
        return task == "classification"
    if different.dtype.kind != "f":
        return True
    are_whole = np.array_equal(different, np.round(different))
    return are_whole and len(different) <= max(2, min(_FEW, int(_SHARE * rows)))


def _names(different: NDArray[np.generic], rows: int, name: str) -> list[str]:
    if len(different) > rows / 2:
        raise ConfigError(
            f"data.target={name} has {len(different)} different values in {rows} rows: too many to be classes",
            "choose another column, or data.task=regression for numbers",
        )
    return [_name(value) for value in different.tolist()]


def _name(value: object) -> str:
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _numbers(values: NDArray[np.generic], column: pl.Series) -> Tensor:
    if str(column.dtype) == "String":
        raise ConfigError(
            f"data.target={column.name} holds words such as {values[0]!r}", "use data.task=classification"
        )
    y = torch.from_numpy(values.astype(np.float64)).float()
    if not torch.isfinite(y).all() or y.min() == y.max():
        raise DataError(f"data.target={column.name} does not fit float32", "give it in another unit")
    return y
