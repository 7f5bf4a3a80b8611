"""Encodes the columns of a table as inputs of a network.

Everything that is measured (means, deviations, categories, which columns are useful) is measured on the training rows
alone, so that no information about the other rows reaches the inputs. What was measured is kept as a
:class:`ColumnEncoding`, which encodes the rows of other tables in the same way.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastrun.errors import DataError

if TYPE_CHECKING:
    import polars as pl

Values = NDArray[np.float64]
Rows = NDArray[np.int64]

_LIMIT = 1e6  # standard deviations, to which values are clipped
_MAX_WORD_SHARE = 0.05  # of the values in a column of numbers may be words, which count as missing
_MIN_ROW_NUMBERS = 10  # consecutive whole numbers are row numbers if there are at least so many
_NUMBERS = ("number", "date", "boolean")


@dataclass(frozen=True)
class ColumnEncoding:
    """How a column is encoded as inputs, as plain values.

    Attributes:
        name: the name of the column.
        kind: ``number``, ``date``, ``boolean`` or ``category``; or why the column is not useful.
        low: half of the lowest training value; None for a column of words or without different values.
        high: half of the highest training value.
        mean: the mean of the training values, in units in which they are in 0 to 1.
        std: their standard deviation, in the same units.
        words: the words that have an input of their own.
        has_other: whether one input stands for all other words.
        has_missing: whether one input says where values are missing.
    """

    name: str
    kind: str
    low: float | None = None
    high: float | None = None
    mean: float = 0.0
    std: float = 1.0
    words: tuple[str, ...] = ()
    has_other: bool = False
    has_missing: bool = False

    @property
    def is_useful(self) -> bool:
        """Say whether the column becomes any inputs."""
        return self.low is not None or bool(self.words) or self.has_missing

    @property
    def scale(self) -> tuple[float, float] | None:
        """Return mean and standard deviation, in the column's own unit, if it is standardized."""
        if self.low is None or self.high is None or self.kind == "boolean":
            return None
        span = self.high - self.low
        return 2 * (self.low + self.mean * span), 2 * self.std * span

    def describe_inputs(self) -> dict[str, str]:
        """Return what each input holds, in words, by the names that :meth:`encode` gives them."""
        inputs, missing = {}, f"1 where {self.name} is missing, else 0"
        if self.kind == "category":
            inputs = {f"{self.name}={word}": f"1 where {self.name} is {word}, else 0" for word in self.words}
            if self.has_other:
                inputs[f"{self.name} other"] = f"1 where {self.name} is another word, else 0"
        elif self.kind == "boolean" and self.low is not None:
            inputs[self.name] = f"1 for true, 0 for false, {self.mean:.6g} where it is missing"
        elif self.scale is not None:
            mean, std = self.scale
            unit = " microseconds" if self.kind == "date" else ""
            inputs[self.name] = f"(value - {mean:.9g}) / {std:.9g}{unit}, 0 where it is missing"
        return inputs | ({f"{self.name} missing": missing} if self.has_missing else {})

    def state(self) -> dict[str, Any]:
        """Return the encoding as plain values, from which ``ColumnEncoding(**state)`` makes it again."""
        return asdict(self)

    def encode(self, column: pl.Series) -> dict[str, NDArray[np.float32]]:
        """Encode the values of a column.

        Returns:
            float32 ``[rows]`` by the names of the inputs.

        Raises:
            DataError: the values are of another kind than those that the encoding was made for.
        """
        if self.kind in _NUMBERS:
            return self._encode_numbers(_numbers(column, self.kind))
        return self._encode_words(_words(column)) if self.kind == "category" else {}

    def unknown_words(self, column: pl.Series) -> list[str]:
        """Return the words of a column that the encoding knows nothing of: words among numbers, or other categories.

        Words that stood among the numbers of the training data count as missing values, as they did there.
        """
        import polars

        if self.kind not in ("number", "category") or self.has_other or _kind(column) != "category":
            return []
        words = column.drop_nulls().unique()
        if self.kind == "number":
            words = words.filter(words.cast(polars.Float64, strict=False).is_null())
        return sorted(set(words) - set(self.words))

    def _encode_numbers(self, values: Values) -> dict[str, NDArray[np.float32]]:
        is_missing, inputs = np.isnan(values), {}
        if self.low is not None and self.high is not None:
            unit = _unit(values, self.low, self.high)
            if self.kind == "boolean":
                filled = np.where(is_missing, self.mean, unit)
            else:
                filled = np.where(is_missing, 0, np.clip((unit - self.mean) / self.std, -_LIMIT, _LIMIT))
            inputs[self.name] = filled.astype(np.float32)
        if self.has_missing:
            inputs[f"{self.name} missing"] = is_missing.astype(np.float32)
        return inputs

    def _encode_words(self, column: pl.Series) -> dict[str, NDArray[np.float32]]:
        import polars

        count = len(self.words)
        codes = column.replace_strict(
            list(self.words), range(count), default=count, return_dtype=polars.Int64
        ).to_numpy()
        is_missing = column.is_null().to_numpy()
        flags = {f"{self.name}={word}": codes == code for code, word in enumerate(self.words)}
        if self.has_other:
            flags[f"{self.name} other"] = (codes == count) & ~is_missing
        if self.has_missing:
            flags[f"{self.name} missing"] = is_missing
        return {name: values.astype(np.float32) for name, values in flags.items()}


@dataclass
class FittedColumn:
    """An encoding, and what else the training rows and the whole column told.

    Attributes:
        encoding: the encoding.
        missing: the number of missing values in the whole column.
        note: which words count as missing values in a column of numbers.
        inputs: float32 ``[rows]`` by the names of the inputs; empty if the column is not useful.
    """

    encoding: ColumnEncoding
    missing: int = 0
    note: str | None = None
    inputs: dict[str, NDArray[np.float32]] = field(default_factory=dict)


def fit_column(column: pl.Series, train: Rows, max_categories: int) -> FittedColumn:
    """Measure how to encode a column of a table, and encode it.

    Numbers, dates and times are scaled to mean 0 and standard deviation 1; booleans become 0 and 1. A missing value
    becomes the mean, and a further input is 1 where values are missing. Words become one input for each of the most
    frequent ones, one for all others, and one for missing values. A column is not useful if it has a single value, or
    if all its words differ.

    Args:
        column: a column of :func:`fastrun.components.data.frame.read_table`.
        train: the indices of the rows to measure on.
        max_categories: the number of words that get an input of their own.
    """
    kind = _kind(column)
    if kind in _NUMBERS:
        return _fit_numbers(column, kind, train)
    if kind == "category":
        return _fit_words(column, train, max_categories)
    return FittedColumn(ColumnEncoding(column.name, kind))


def _kind(column: pl.Series) -> str:
    if column.dtype.is_numeric():
        return "number"
    if column.dtype.is_temporal():
        return "date"
    words = {"Boolean": "boolean", "String": "category"}
    return words.get(str(column.dtype), f"{column.dtype} cannot be an input")


def is_row_number(column: pl.Series) -> bool:
    """Say whether a column of a whole table numbers its rows from 0 or 1 on, as an index that was written with it."""
    if not column.dtype.is_numeric():
        return False
    values = column.to_numpy()
    return len(values) >= _MIN_ROW_NUMBERS and values[0] in (0, 1) and bool(np.all(np.diff(values) == 1))


def _numbers(column: pl.Series, kind: str) -> Values:
    """Return a column's values as float64, with NaN for everything that is not a finite number.

    Args:
        column: the column.
        kind: what the encoding was made for: ``number``, ``date`` or ``boolean``.

    Raises:
        DataError: the values are of another kind.
    """
    import polars

    own = _kind(column)
    if own == "category" and kind in ("number", "date"):
        column = column.cast(polars.Float64, strict=False) if kind == "number" else _dates(column)
        own = _kind(column)
    is_empty = column.null_count() == len(column)
    if not is_empty and kind != own and not (kind == "number" and own == "boolean"):
        held = "words" if own == "category" else f"{column.dtype} values"
        raise DataError(f"the column {column.name} holds {held}; it held {kind}s when the run was trained")
    if own == "date":
        column = _microseconds(column)
    values = column.cast(polars.Float64).to_numpy()
    return np.where(np.isfinite(values), values, np.nan)


def _dates(column: pl.Series) -> pl.Series:
    """Return the dates or times that a column of words spells, as a CSV file does; the column itself if it does not."""
    import polars

    for kind in (polars.Date, polars.Datetime("us"), polars.Time):
        with suppress(polars.exceptions.PolarsError):
            return column.str.strptime(kind)
    return column


def _microseconds(column: pl.Series) -> pl.Series:
    """Return dates and times in microseconds, whatever unit a file keeps them in."""
    import polars

    if column.dtype in (polars.Date, polars.Datetime):
        return column.cast(polars.Datetime("us")).to_physical()
    return column.cast(polars.Duration("us")).to_physical() if column.dtype == polars.Duration else column.to_physical()


def _words(column: pl.Series) -> pl.Series:
    """Return a column's values as words."""
    from fastrun.components.data.frame import as_words

    return column if str(column.dtype) == "String" else as_words(column)


def _fit_numbers(column: pl.Series, kind: str, train: Rows) -> FittedColumn:
    values = _numbers(column, kind)
    is_missing = np.isnan(values)
    missing_share = is_missing[train].mean()
    if missing_share == 1:
        return FittedColumn(ColumnEncoding(column.name, "missing in every row of train"))
    trained = values[train][~is_missing[train]]
    low, high = trained.min() / 2, trained.max() / 2  # halves, so that their difference is finite for any numbers
    has_missing = bool(missing_share > 0)
    if high > low:
        unit = _unit(trained, low, high)
        mean, std = float(unit.mean()), float(unit.std())
        encoding = ColumnEncoding(column.name, kind, float(low), float(high), mean, std, has_missing=has_missing)
    elif has_missing:
        encoding = ColumnEncoding(column.name, kind, has_missing=True)
    else:
        return FittedColumn(ColumnEncoding(column.name, "the same in every row of train"))
    return FittedColumn(encoding, int(is_missing.sum()), inputs=encoding.encode(column))


def _unit(values: Values, low: float, high: float) -> Values:
    """Return values in a unit in which the training values are in 0 to 1.

    Dates are far from zero and close to one another, so that measuring them in their own unit would lose digits.

    Args:
        values: the values.
        low: half of the lowest training value.
        high: half of the highest training value.
    """
    with np.errstate(over="ignore"):  # values far outside of those of train are clipped later
        return (values / 2 - low) / (high - low)


def _fit_words(column: pl.Series, train: Rows, max_categories: int) -> FittedColumn:
    trained = column[train].drop_nulls()
    ranked = [word for word, _ in sorted(trained.value_counts().rows(), key=lambda pair: (-pair[1], pair[0]))]
    if len(ranked) > max_categories and (fitted := _fit_numbers_with_words(column, train)):
        return fitted
    if not ranked:
        return FittedColumn(ColumnEncoding(column.name, "missing in every row of train"))
    if len(ranked) == len(trained) > 1:
        return FittedColumn(ColumnEncoding(column.name, "words that all differ"))
    return _fit_categories(column, train, ranked, max_categories)


def _fit_numbers_with_words(column: pl.Series, train: Rows) -> FittedColumn | None:
    """Encode a column of numbers that has a few words, which count as missing; return None for any other column.

    A column without words is not among these: it consists of codes that the user wants to be words.
    """
    import polars

    numbers = column.cast(polars.Float64, strict=False)
    words = column.filter(numbers.is_null() & column.is_not_null())
    if not 0 < len(words) <= _MAX_WORD_SHARE * column.count():
        return None
    fitted = _fit_numbers(numbers, "number", train)
    fitted.encoding = replace(fitted.encoding, words=tuple(sorted(words.unique())))
    fitted.note = f"{len(words)} words among its numbers, such as {words[0]!r}"
    return fitted


def _fit_categories(column: pl.Series, train: Rows, ranked: list[str], max_categories: int) -> FittedColumn:
    """Encode words, which ``ranked`` lists by their frequency, as one input each."""
    kept = tuple(sorted(ranked[:max_categories]))
    is_missing = column.is_null().to_numpy()
    has_other, has_missing = len(ranked) > len(kept), bool(is_missing[train].any())
    if len(kept) + has_other + has_missing == 1:
        return FittedColumn(ColumnEncoding(column.name, "the same in every row of train"))
    encoding = ColumnEncoding(column.name, "category", words=kept, has_other=has_other, has_missing=has_missing)
    return FittedColumn(encoding, int(is_missing.sum()), inputs=encoding.encode(column))
