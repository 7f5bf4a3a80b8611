"""Predictions in the terminal and in files."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fastrun.report.new_file import write_new
from fastrun.training.trained.predict import Predictions

_SHOWN = 3  # most likely classes in the terminal
_HAS = 0.5  # the probability from which a sample rather has a label than not


def show(found: Predictions) -> None:
    """Print a line a sample: the most likely classes, the labels that it has, or the numbers."""
    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, header_style="dim")
    table.add_column("input", overflow="fold")
    if found.are_labels:
        _show_labels(found, table)
        console.print(table)
        return
    if not found.are_classes:
        for name in found.columns:
            table.add_column(name, justify="right")
        for name, values in zip(found.names, found.values.tolist(), strict=True):
            table.add_row(name, *(f"{value:.6g}" for value in values))
        console.print(table)
        return
    table.add_column("class")
    table.add_column("probability", justify="right")
    table.add_column("then", style="dim")
    likely = found.values.topk(min(_SHOWN, len(found.columns)), dim=1)
    for name, values, indices in zip(found.names, likely.values.tolist(), likely.indices.tolist(), strict=True):
        others = zip(values[1:], indices[1:], strict=True)
        then = ", ".join(f"{found.columns[index]} {value:.3f}" for value, index in others)
        table.add_row(name, found.columns[indices[0]], f"{values[0]:.3f}", then)
    console.print(table)


def _show_labels(found: Predictions, table: Table) -> None:
    """Add the labels that each sample rather has than not, the most likely first."""
    table.add_column("labels")
    for name, values in zip(found.names, found.values.tolist(), strict=True):
        likely = sorted(zip(values, found.columns, strict=True), key=lambda pair: -pair[0])
        own = ", ".join(f"{label} {value:.3f}" for value, label in likely if value > _HAS)
        table.add_row(name, own or "none")


def write(found: Predictions, path: Path, form: str) -> None:
    """Write predictions to a file that does not exist yet.

    Args:
        found: the predictions.
        path: the file.
        form: ``csv``, ``jsonl`` or ``parquet``.

    Raises:
        UsageError: the file exists.
        StorageError: it cannot be written.
        DataError: a Parquet file needs polars, which is not installed.
    """
    write_new(path, {"csv": _as_csv, "jsonl": _as_jsonl, "parquet": _as_parquet}[form](found))


def _as_csv(found: Predictions) -> bytes:
    text = StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = _columns(found)
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return text.getvalue().encode()


def _as_jsonl(found: Predictions) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in _objects(found)).encode()


def _as_parquet(found: Predictions) -> bytes:
    from fastrun.components.data.frame import import_polars

    file = BytesIO()
    import_polars().DataFrame(_columns(found)).write_parquet(file)
    return file.getvalue()


def _objects(found: Predictions) -> Iterator[dict[str, Any]]:
    best = _best(found)
    for number, (name, values) in enumerate(zip(found.names, found.values.tolist(), strict=True)):
        named = dict(zip(found.columns, values, strict=True))
        if found.are_classes:
            yield {"input": name} | {key: column[number] for key, column in best.items()} | {"probabilities": named}
        elif found.are_labels:
            labels = [label for label, value in named.items() if value > _HAS]
            yield {"input": name, "labels": labels, "probabilities": named}
        else:
            yield {"input": name} | named


def _columns(found: Predictions) -> dict[str, list[Any]]:
    """Return the columns of a table: with classes the most likely one, its probability, and that of every class."""
    prefix = "p_" if found.are_classes or found.are_labels else ""
    values = {f"{prefix}{name}": column for name, column in zip(found.columns, found.values.T.tolist(), strict=True)}
    return {"input": found.names} | _best(found) | values


def _best(found: Predictions) -> dict[str, list[Any]]:
    if not found.are_classes:
        return {}
    best = found.values.max(1)
    return {"class": [found.columns[index] for index in best.indices.tolist()], "probability": best.values.tolist()}
