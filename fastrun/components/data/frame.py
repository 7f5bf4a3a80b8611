"""Reads tables from files with polars: CSV (with any common separator), TSV and Parquet."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from fastrun.components.data.text_file import check_is_file, read_utf8
from fastrun.errors import ConfigError, DataError, nearest

if TYPE_CHECKING:
    import polars as pl

_PARQUET, _TEXT = (".parquet", ".pq"), (".csv", ".tsv", ".txt")
_SEPARATORS = ",;\t|"
_LISTED = 8  # columns that a line names at most
ROOT_HINT = "data.root must be a table: .csv, .tsv or .parquet"
_HINT = "data.root must be a table whose first line has the names: .csv, .tsv or .parquet"


def read_table(path: Path, missing: Sequence[str]) -> pl.DataFrame:
    """Read a table.

    Its columns are booleans, float64, dates and times, or words; columns of other types are returned unchanged. Words
    that are all numbers become numbers.

    Args:
        path: the file.
        missing: the words that count as missing values, as empty ones do; they become null.

    Raises:
        ConfigError: the suffix of the file is unknown.
        DataError: the file cannot be read, has no rows or two columns of one name, or polars is not installed.
    """
    _check_file(path)
    polars = import_polars()
    try:
        is_parquet = path.suffix.lower() in _PARQUET
        frame = polars.read_parquet(path, glob=False) if is_parquet else _read_text(polars, path, missing)
    except (polars.exceptions.PolarsError, polars.exceptions.PanicException, csv.Error) as error:
        raise _read_error(path, error) from error
    if not len(frame):
        raise DataError(f"{path} has no rows", _HINT)
    return clean(frame, missing)


def column_names(path: Path) -> list[str]:
    """Return the names of a table's columns without reading its rows.

    Raises:
        ConfigError: the suffix of the file is unknown.
        DataError: the file cannot be read, has two columns of one name, or is Parquet and polars is not installed.
    """
    _check_file(path)
    if path.suffix.lower() not in _PARQUET:
        return _unique_header(path)[0]
    polars = import_polars()
    try:
        return list(polars.scan_parquet(path, glob=False).collect_schema().names())
    except (polars.exceptions.PolarsError, polars.exceptions.PanicException) as error:
        raise _read_error(path, error) from error


def check_columns(names: Sequence[str], target: str | None, drop: Sequence[str], categories: Sequence[str]) -> None:
    """Check that a table has the columns that the config names.

    Args:
        names: the names of its columns.
        target: the name of the target column.
        drop: the names of columns to leave out.
        categories: the names of columns that are words.

    Raises:
        ConfigError: the target is not set or left out, or there is no such column.
    """
    if target is None:
        raise ConfigError("data.target is not set", f"choose one of {abbreviate(names)}")
    for key, wanted in {"target": [target], "drop": drop, "categories": categories}.items():
        for name in wanted:
            if name not in names:
                hint = nearest(name, names) or f"its columns are {abbreviate(names)}"
                raise ConfigError(f"data.{key}={name}: the table has no such column", hint)
    if target in drop:
        raise ConfigError(f"data.target={target} is also in data.drop", "remove it from one of the two")


def abbreviate(entries: Iterable[str]) -> str:
    """Return the first entries as text, and how many more there are."""
    whole = list(entries)
    more = f" and {len(whole) - _LISTED} more" if len(whole) > _LISTED else ""
    return ", ".join(whole[:_LISTED]) + more


def _check_file(path: Path) -> None:
    check_is_file(path, _HINT)
    if path.suffix.lower() not in _PARQUET + _TEXT:
        raise ConfigError(f"data.root={path}: cannot read {path.suffix or 'files without a suffix'}", _HINT)


def import_polars() -> ModuleType:
    """Return the module of polars.

    Raises:
        DataError: it is not installed.
    """
    try:
        import polars
    except ImportError as error:
        raise DataError(
            "reading tables needs polars, which is not installed", "pip install 'fastrun[table]'"
        ) from error
    return polars


def _read_text(polars: ModuleType, path: Path, missing: Sequence[str]) -> pl.DataFrame:
    names, separator = _unique_header(path)
    frame: pl.DataFrame = polars.read_csv(
        path,
        separator=separator,
        null_values=list(missing),
        infer_schema_length=None,  # from all rows, since the first number with a decimal point may come last
        try_parse_dates=True,
        glob=False,
    )
    if len(names) == frame.width:
        frame.columns = names
    return frame


def _unique_header(path: Path) -> tuple[list[str], str]:
    """Return the header as :func:`_header` does; it has no name twice."""
    names, separator = _header(path)
    for name, count in Counter(names).items():
        if count > 1:
            raise DataError(f"{path} has {count} columns named {name}", "give each column its own name")
    return names, separator


def _header(path: Path) -> tuple[list[str], str]:
    """Return the names of the columns and their separator, which is the most frequent one in the first line."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        first = file.readline()
        separator = max(_SEPARATORS, key=first.count)
        file.seek(0)
        names = next(csv.reader(file, delimiter=separator), [])
    return [name.strip() or f"column {number}" for number, name in enumerate(names, 1)], separator


def clean(frame: pl.DataFrame, missing: Sequence[str]) -> pl.DataFrame:
    """Return a table whose columns have the types that :func:`read_table` describes."""
    return frame.with_columns(_clean_column(column, missing) for column in frame)


def _clean_column(column: pl.Series, missing: Sequence[str]) -> pl.Series:
    """Return a column as float64 if it contains numbers, otherwise with null for missing words."""
    import polars

    if column.dtype.is_numeric():
        return column.cast(polars.Float64)
    if column.dtype not in (polars.String, polars.Categorical, polars.Enum):
        return column
    words = column.cast(polars.String).str.strip_chars()
    words = words.set(words.is_in(["", *missing]), None)
    numbers = words.cast(polars.Float64, strict=False)
    return numbers if numbers.null_count() == words.null_count() else words


def as_words(column: pl.Series) -> pl.Series:
    """Return a column as words; of numbers, 3.0 becomes ``3`` and NaN becomes null."""
    import polars

    if not column.dtype.is_numeric():
        return column.cast(polars.String)
    known = column.fill_nan(None)
    are_whole = bool((known.drop_nulls() == known.drop_nulls().round()).all())
    return (known.cast(polars.Int64, strict=False) if are_whole else known).cast(polars.String)


def _read_error(path: Path, error: BaseException) -> DataError:
    """Return the error to raise for one that polars raised."""
    reason = str(error).partition("\n")[0]
    if "utf-8" in reason:
        read_utf8(path)  # raises an error that names the byte
    if path.suffix.lower() in _PARQUET:
        return DataError(f"{path} cannot be read: {reason}", "write or download it again")
    return DataError(
        f"{path} cannot be read: {_find_long_line(path) or reason}",
        "each line needs as many values as the first; quote values that contain separators",
    )


def _find_long_line(path: Path) -> str | None:
    """Return a description of the first line that has more values than the line of names; None if there is none."""
    names, separator = _header(path)
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        lines = csv.reader(file, delimiter=separator)
        for values in lines:
            if len(values) > len(names):
                return f"line {lines.line_num} has {len(values)} values, the first {len(names)}"
    return None
