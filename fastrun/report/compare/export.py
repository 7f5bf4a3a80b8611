"""A comparison for other programs: as plain values for JSON, and as a CSV file with a line a run."""

from __future__ import annotations

import csv
from dataclasses import asdict
from io import StringIO
from typing import Any

from fastrun.report.compare.comparison import Comparison
from fastrun.report.compare.differences import format_value, value_of
from fastrun.report.compare.groups import Group

_MEASURED = (
    "best", "target_seconds", "target_wall_seconds", "target_steps", "steps", "train_seconds", "wall_seconds",
    "samples_per_second", "peak_memory",
)  # fmt: skip
_FACTS = ("id", "status", "seed", "metric", "target", "target_reached", *_MEASURED)


def as_values(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison as plain values, the statistics of each row among them."""
    rows = [_row(group, comparison.keys) for group in comparison.groups]
    for row, data in zip(rows, comparison.data, strict=False):
        row["data"] = data
    return {"differs": comparison.keys, "rows": rows, "hidden": comparison.hidden, "notes": comparison.notes}


def _row(group: Group, keys: list[str]) -> dict[str, Any]:
    found = {name: group.statistics(name) for name in _MEASURED}
    return {
        "runs": [str(record.path) for record in group.records],
        "counted": [str(record.path) for record in group.counted],
        "seeds": [record.seed for record in group.counted],
        "status": [record.status for record in group.records],
        "values": {key: value_of(group.first, key) for key in keys},
        "metric": group.first.metric,
        "target": group.first.target,
        "reached": sum(record.target_reached for record in group.counted),
        **{name: None if statistics is None else asdict(statistics) for name, statistics in found.items()},
    }


def as_csv(comparison: Comparison) -> bytes:
    """Return a comparison as CSV: a line a run, with the number of its row, what differs, and what came out."""
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["row", "run", *comparison.keys, *_FACTS])
    for number, group in enumerate(comparison.groups, 1):
        for record in group.records:
            values = [format_value(value_of(record, key)) for key in comparison.keys]
            writer.writerow([number, record.path, *values, *(getattr(record, name) for name in _FACTS)])
    return text.getvalue().encode()
