"""The runs in a folder as a data frame: a row for each."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fastrun.errors import StorageError
from fastrun.report.filter import parse_filter
from fastrun.report.find_run import OUTPUTS
from fastrun.report.index import read_runs
from fastrun.report.order import ordered
from fastrun.report.record import RunRecord

_OWN = "overrides", "differs", "choices", "config", "runs", "kind"  # lists and dicts, and what every run is


def list_runs(query: str | None, folder: Path) -> list[RunRecord]:
    """Return the runs in a folder, the newest last.

    Args:
        query: which of them; see :mod:`fastrun.report.filter`.
        folder: the folder.

    Raises:
        UsageError: the query is no filter.
        StorageError: there is no such folder.
    """
    matches = None if query is None else parse_filter(query)
    if not folder.is_dir() and folder != OUTPUTS:
        raise StorageError(f"{folder} is not a folder", "name the folder that outputs=… named")
    found = read_runs(folder).records if folder.is_dir() else []
    return ordered([record for record in found if matches is None or matches(record)], "age")


def as_frame(records: Sequence[RunRecord]) -> Any:
    """Return runs as a data frame of polars or pandas, whichever is installed; else as a list of dicts."""
    rows = _rows(records)
    try:
        import polars

        return polars.DataFrame(rows, infer_schema_length=None, strict=False)
    except ImportError:
        pass
    try:
        import pandas  # type: ignore[import-untyped, import-not-found, unused-ignore]

        return pandas.DataFrame(rows)
    except ImportError:
        warnings.warn("a list of dicts: pip install 'fastrun[table]' makes it a data frame", stacklevel=3)
        return rows


def _rows(records: Sequence[RunRecord]) -> list[dict[str, Any]]:
    """Return a row for each run, all with the same keys."""
    groups = dict.fromkeys(group for record in records for group in record.choices)
    varied = [key for key in _keys(records) if len({str(record.config.get(key)) for record in records}) > 1]
    rows = []
    for record in records:
        row = {key: value for key, value in record.plain().items() if key not in _OWN}
        row |= {group: record.choices.get(group) for group in groups if group not in row}
        row |= {key: _cell(record.config.get(key)) for key in varied if key not in row}
        rows.append(row | {"overrides": " ".join(record.overrides)})
    return rows


def _keys(records: Sequence[RunRecord]) -> list[str]:
    return list(dict.fromkeys(key for record in records for key in record.config))


def _cell(value: Any) -> Any:
    return str(value) if isinstance(value, list) else value
