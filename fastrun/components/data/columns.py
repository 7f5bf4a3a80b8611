"""Encodes the columns of a table as inputs of a network.

Everything that is measured (means, deviations, categories, which columns are useful) is measured on the training rows
alone, so that no information about the other rows reaches the inputs.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import polars as pl

Values = NDArray[np.float64]
Rows = NDArray[np.int64]

_LIMIT = 1e6  # standard deviations, to which values are clipped
_MAX_WORD_SHARE = 0.05  # of the values in a column of numbers may be words, which count as missing
_MIN_ROW_NUMBERS = 10  # consecutive whole numbers are row numbers if there are at least so many


@dataclass
class EncodedColumn:
    """The inputs that a column is encoded as.

    Attributes:
        kind: what the column contains, or why it is not useful.
        inputs: float32 ``[rows]`` by the names of the inputs; empty if the column is not useful.
        scale: mean and standard deviation of a column that was standardized.
        missing: the number of missing values.
        note: which words count as missing values in a column of numbers.
    """

    kind: str
    inputs: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    scale: tuple[float, float] | None = None
    missing: int = 0
    note: str | None = None


def encode_column(column: pl.Series, train: Rows, max_categories: int) -> EncodedColumn:
    """Encode a column of a table.

    Numbers, dates and times are scaled to mean 0 and standard deviation 1; booleans become 0 and 1. A missing value
    becomes the mean, and a further input is 1 where values are missing. Words become one input for each of the most
    frequent ones, one for all others, and one for missing values. A column is not useful if it has a single value, or
    if all its words differ.

    Args:
        column: a column of :func:`fastrun.components.data.frame.read_table`.
        train: the indices of the rows to measure on.
        max_categories: the number of words that get an input of their own.
    """
    if column.dtype.is_numeric():
        return _encode_numbers(column.name, "number", _values(column), train)
    if column.dtype.is_temporal():
        return _encode_numbers(column.name, "date", _values(column.to_physical()), train)
    if str(column.dtype) == "Boolean":
        return _encode_numbers(column.name, "boolean", _values(column), train)
    if str(column.dtype) == "String":
        return _encode_words(column, train, max_categories)
    return EncodedColumn(f"{column.dtype} cannot be an input")


def _values(column: pl.Series) -> Values:
    """Return float64 values, with NaN for everything that is not a finite number."""
    import polars

    values = column.cast(polars.Float64).to_numpy()
    return np.where(np.isfinite(values), values, np.nan)


def is_row_number(column: pl.Series) -> bool:
    """Say whether a column of a whole table numbers its rows from 0 or 1 on, as an index that was written with it."""
    if not column.dtype.is_numeric():
        return False
    values = column.to_numpy()
    return len(values) >= _MIN_ROW_NUMBERS and values[0] in (0, 1) and bool(np.all(np.diff(values) == 1))


def _encode_numbers(name: str, kind: str, values: Values, train: Rows) -> EncodedColumn:
    is_missing = np.isnan(values)
    missing_share = is_missing[train].mean()
    if missing_share == 1:
        return EncodedColumn("missing in every row of train")
    encoded = EncodedColumn(kind, missing=int(is_missing.sum()))
    trained = values[train][~is_missing[train]]
    low, high = trained.min() / 2, trained.max() / 2  # halves, so that their difference is finite for any numbers
    if high > low:
        unit, mean, std = _moments(values, trained, low, high)
        if kind == "boolean":
            encoded.inputs[name] = np.where(is_missing, mean, unit).astype(np.float32)
        else:
            encoded.scale = (2 * (low + mean * (high - low)), 2 * std * (high - low))
            scaled = np.clip((unit - mean) / std, -_LIMIT, _LIMIT)
            encoded.inputs[name] = np.where(is_missing, 0, scaled).astype(np.float32)
    if missing_share > 0:
        encoded.inputs[f"{name} missing"] = is_missing.astype(np.float32)
    return encoded if encoded.inputs else EncodedColumn("the same in every row of train")


def _moments(values: Values, trained: Values, low: float, high: float) -> tuple[Values, float, float]:
    """Return all values in a unit in which the training values are in 0 to 1, and the mean and deviation of those.

    Dates are far from zero and close to one another, so that measuring them in their own unit would lose digits.

    Args:
        values: all values.
        trained: the values of the training rows.
        low: half of the lowest training value.
        high: half of the highest training value.
    """
    with np.errstate(over="ignore"):  # values far outside of those of train are clipped later
        unit = (values / 2 - low) / (high - low)
    trained_unit = (trained / 2 - low) / (high - low)
    return unit, float(trained_unit.mean()), float(trained_unit.std())


def _encode_words(column: pl.Series, train: Rows, max_categories: int) -> EncodedColumn:
    trained = column[train].drop_nulls()
    ranked = [word for word, _ in sorted(trained.value_counts().rows(), key=lambda pair: (-pair[1], pair[0]))]
    if len(ranked) > max_categories and (encoded := _encode_numbers_with_words(column, train)):
        return encoded
    if not ranked:
        return EncodedColumn("missing in every row of train")
    if len(ranked) == len(trained) > 1:
        return EncodedColumn("words that all differ")
    return _one_hot(column, train, ranked, max_categories)


def _encode_numbers_with_words(column: pl.Series, train: Rows) -> EncodedColumn | None:
    """Encode a column of numbers that has a few words, which count as missing; return None for any other column.

    A column without words is not among these: it consists of codes that the user wants to be words.
    """
    import polars

    numbers = column.cast(polars.Float64, strict=False)
    words = column.filter(numbers.is_null() & column.is_not_null())
    if not 0 < len(words) <= _MAX_WORD_SHARE * column.count():
        return None
    encoded = _encode_numbers(column.name, "number", _values(numbers), train)
    encoded.note = f"{len(words)} words among its numbers, such as {words[0]!r}"
    return encoded


def _one_hot(column: pl.Series, train: Rows, ranked: list[str], max_categories: int) -> EncodedColumn:
    """Encode words, which ``ranked`` lists by their frequency, as one input each."""
    import polars

    kept = sorted(ranked[:max_categories])
    codes = column.replace_strict(kept, range(len(kept)), default=len(kept), return_dtype=polars.Int64).to_numpy()
    is_missing = column.is_null().to_numpy()
    flags = {f"{column.name}={word}": codes == code for code, word in enumerate(kept)}
    if len(ranked) > len(kept):
        flags[f"{column.name} other"] = (codes == len(kept)) & ~is_missing
    if is_missing[train].any():
        flags[f"{column.name} missing"] = is_missing
    if len(flags) == 1:
        return EncodedColumn("the same in every row of train")
    inputs = {name: values.astype(np.float32) for name, values in flags.items()}
    return EncodedColumn("category", inputs, missing=int(is_missing.sum()))
