"""Tables in files, read with polars: CSV (with any common separator), TSV and Parquet."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from fastrun.data.text import decoded
from fastrun.errors import ConfigError, DataError

if TYPE_CHECKING:
    import polars as pl

_PARQUET, _TEXT = (".parquet", ".pq"), (".csv", ".tsv", ".txt")
_SEPARATORS = ",;\t|"
_HINT = "data.root must be a table with a line of names: .csv, .tsv or .parquet"


def read(path: Path, missing: Sequence[str]) -> pl.DataFrame:
    """Return a table whose columns are booleans, float64, dates and times, words, or of a type that is left alone.

    Words that are all numbers become numbers; the words in ``missing``, and none at all, become null.

    Raises:
        ConfigError: the file's suffix is unknown.
        DataError: it cannot be read, has no rows, two columns of one name, or polars is missing.
    """
    if not path.is_file():
        raise DataError(f"data.root={path} is {'a folder' if path.is_dir() else 'not there'}", _HINT)
    if path.suffix.lower() not in _PARQUET + _TEXT:
        raise ConfigError(f"data.root={path}: nothing is known of {path.suffix or 'files without a suffix'}", _HINT)
    polars = _polars()
    try:
        is_parquet = path.suffix.lower() in _PARQUET
        found = polars.read_parquet(path, glob=False) if is_parquet else _read_text(polars, path, missing)
    except (polars.exceptions.PolarsError, polars.exceptions.PanicException, csv.Error) as error:
        raise _explained(path, error) from error
    if not len(found):
        raise DataError(f"{path} has no rows", _HINT)
    cleaned: pl.DataFrame = found.with_columns(_clean(column, missing) for column in found)
    return cleaned


def _polars() -> ModuleType:
    try:
        import polars
    except ImportError as error:
        raise DataError("reading tables needs polars, which is not here", "pip install 'fastrun[table]'") from error
    return polars


def _read_text(polars: ModuleType, path: Path, missing: Sequence[str]) -> pl.DataFrame:
    names, separator = _header(path)
    for name, count in Counter(names).items():
        if count > 1:
            raise DataError(f"{path} has {count} columns named {name}", "give each a name of its own")
    found: pl.DataFrame = polars.read_csv(
        path,
        separator=separator,
        null_values=list(missing),
        infer_schema_length=None,  # all rows: a number with a point may come last
        try_parse_dates=True,
        glob=False,
    )
    if len(names) == found.width:
        found.columns = names
    return found


def _header(path: Path) -> tuple[list[str], str]:
    """Return the names of the columns, and the character between them: the commonest of those in use."""
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        first = file.readline()
        separator = max(_SEPARATORS, key=first.count)
        file.seek(0)
        names = next(csv.reader(file, delimiter=separator), [])
    return [name.strip() or f"column {place}" for place, name in enumerate(names, 1)], separator


def _clean(column: pl.Series, missing: Sequence[str]) -> pl.Series:
    import polars

    if column.dtype.is_numeric():
        return column.cast(polars.Float64)
    if column.dtype not in (polars.String, polars.Categorical, polars.Enum):
        return column
    words = column.cast(polars.String).str.strip_chars()
    words = words.set(words.is_in(["", *missing]), None)
    numbers = words.cast(polars.Float64, strict=False)
    return numbers if numbers.null_count() == words.null_count() else words


def worded(column: pl.Series) -> pl.Series:
    """Return a column as words: ``3`` for 3.0, null for what is no number."""
    import polars

    if not column.dtype.is_numeric():
        return column.cast(polars.String)
    known = column.fill_nan(None)
    are_whole = bool((known.drop_nulls() == known.drop_nulls().round()).all())
    return (known.cast(polars.Int64, strict=False) if are_whole else known).cast(polars.String)


def _explained(path: Path, error: BaseException) -> DataError:
    said = str(error).partition("\n")[0]
    if "utf-8" in said:
        decoded(path)  # says which byte it is
    if path.suffix.lower() in _PARQUET:
        return DataError(f"{path} cannot be read: {said}", "write or download it again")
    said = _overlong(path) or said
    return DataError(f"{path} cannot be read: {said}", "each line needs as many values as the first; quote separators")


def _overlong(path: Path) -> str | None:
    """Return which line has more values than the first, if one has."""
    names, separator = _header(path)
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        lines = csv.reader(file, delimiter=separator)
        for values in lines:
            if len(values) > len(names):
                return f"line {lines.line_num} has {len(values)} values, the first {len(names)}"
    return None
