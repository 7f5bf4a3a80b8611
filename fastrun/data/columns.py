"""Columns of a table as numbers for a network, by what its training rows say of them.

Whatever is measured (means, deviations, categories, which columns are of use) is measured on the training rows alone:
nothing of the others reaches the inputs that they are judged by.
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

_LIMIT = 1e6  # standard deviations: beyond it is no number to compute with
_STRAY = 0.05  # share of words, in a column of numbers, that may stand for missing ones
_ROW_NUMBERS = 10  # so many that follow on one another are the numbers of the rows


@dataclass
class Encoded:
    """A column's inputs by name, float32 ``[rows]`` each; none where the column is of no use, ``kind`` saying why."""

    kind: str
    inputs: dict[str, NDArray[np.float32]] = field(default_factory=dict)
    scale: tuple[float, float] | None = None  # mean and standard deviation of a column that was standardized
    missing: int = 0  # values that are not there
    note: str | None = None  # which words count as such, in a column of numbers


def encode(column: pl.Series, train: Rows, max_categories: int) -> Encoded:
    """Encode a column of :func:`fastrun.data.frame.read`, fitted to the rows ``train``.

    Numbers, dates and times: to mean 0 and standard deviation 1. Booleans: 0 and 1. What is missing is the mean, and
    in a further input 1. Words: an input for each of the ``max_categories`` commonest, one for all others, and one for
    none. A column is of no use if it has one value only, or if all its words differ.
    """
    if column.dtype.is_numeric():
        return _numbers(column.name, "number", _values(column), train)
    if column.dtype.is_temporal():
        return _numbers(column.name, "date", _values(column.to_physical()), train)
    if str(column.dtype) == "Boolean":
        return _numbers(column.name, "boolean", _values(column), train)
    if str(column.dtype) == "String":
        return _words(column, train, max_categories)
    return Encoded(f"{column.dtype} cannot be an input")


def _values(column: pl.Series) -> Values:
    """Return float64, NaN where there is no finite number."""
    import polars

    values = column.cast(polars.Float64).to_numpy()
    return np.where(np.isfinite(values), values, np.nan)


def counts_rows(column: pl.Series) -> bool:
    """Say whether a column of a whole table numbers its rows, from 0 or 1 on, as an index that was written with it."""
    if not column.dtype.is_numeric():
        return False
    values = column.to_numpy()
    return len(values) >= _ROW_NUMBERS and values[0] in (0, 1) and bool(np.all(np.diff(values) == 1))


def _numbers(name: str, kind: str, values: Values, train: Rows) -> Encoded:
    is_missing = np.isnan(values)
    share = is_missing[train].mean()
    if share == 1:
        return Encoded("missing in every row of train")
    found = Encoded(kind, missing=int(is_missing.sum()))
    own = values[train][~is_missing[train]]
    low, high = own.min() / 2, own.max() / 2  # halves: their difference is finite whatever the numbers
    if high > low:
        shown, mean, std = _moments(values, own, low, high)
        found.scale = None if kind == "boolean" else (2 * (low + mean * (high - low)), 2 * std * (high - low))
        scaled = shown if kind == "boolean" else np.clip((shown - mean) / std, -_LIMIT, _LIMIT)
        found.inputs[name] = np.where(is_missing, mean if kind == "boolean" else 0, scaled).astype(np.float32)
    if share > 0:
        found.inputs[f"{name} missing"] = is_missing.astype(np.float32)
    return found if found.inputs else Encoded("the same in every row of train")


def _moments(values: Values, own: Values, low: float, high: float) -> tuple[Values, float, float]:
    """Return the values with those of train spread over 0 to 1, and the mean and standard deviation of those.

    Dates are far from zero and close to one another: to measure them as they are would lose their digits.
    """
    with np.errstate(over="ignore"):  # what lies far outside of train is cut off later
        shown = (values / 2 - low) / (high - low)
    spread = (own / 2 - low) / (high - low)
    return shown, float(spread.mean()), float(spread.std())


def _words(column: pl.Series, train: Rows, max_categories: int) -> Encoded:
    own = column[train].drop_nulls()
    ranked = [word for word, _ in sorted(own.value_counts().rows(), key=lambda pair: (-pair[1], pair[0]))]
    if len(ranked) > max_categories and (found := _among_strays(column, train)):
        return found
    if not ranked:
        return Encoded("missing in every row of train")
    if len(ranked) == len(own) > 1:
        return Encoded("words that all differ")
    return _one_hot(column, train, ranked, max_categories)


def _among_strays(column: pl.Series, train: Rows) -> Encoded | None:
    """Encode a column of numbers with a few words in it, these as missing; return None where it is none.

    Without any it would be a column of numbers already, were it not to be one of words: a code.
    """
    import polars

    numbers = column.cast(polars.Float64, strict=False)
    strays = column.filter(numbers.is_null() & column.is_not_null())
    if not 0 < len(strays) <= _STRAY * column.count():
        return None
    found = _numbers(column.name, "number", _values(numbers), train)
    found.note = f"{len(strays)} words among its numbers, such as {strays[0]!r}"
    return found


def _one_hot(column: pl.Series, train: Rows, ranked: list[str], max_categories: int) -> Encoded:
    import polars

    kept = sorted(ranked[:max_categories])
    codes = column.replace_strict(kept, range(len(kept)), default=len(kept), return_dtype=polars.Int64).to_numpy()
    is_missing = column.is_null().to_numpy()
    found = {f"{column.name}={word}": codes == place for place, word in enumerate(kept)}
    if len(ranked) > len(kept):
        found[f"{column.name} other"] = (codes == len(kept)) & ~is_missing
    if is_missing[train].any():
        found[f"{column.name} missing"] = is_missing
    if len(found) == 1:
        return Encoded("the same in every row of train")
    inputs = {name: values.astype(np.float32) for name, values in found.items()}
    return Encoded("category", inputs, missing=int(is_missing.sum()))
