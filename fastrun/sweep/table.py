"""The table that ends a sweep."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from fastrun.errors import FastrunError


@dataclass(frozen=True)
class Row:
    """How one job ended."""

    overrides: list[str]
    folder: Path
    summary: dict[str, Any] | None
    error: FastrunError | None = None


def show(rows: list[Row]) -> None:
    """Print a line a job: the overrides that tell it from the others, its best metric and its time to target."""
    shared = set.intersection(*(set(row.overrides) for row in rows)) if len(rows) > 1 else set()
    table = Table("#", "overrides", "best", "target", "trained", title=f"{rows[0].folder.parent}", title_justify="left")
    for number, row in enumerate(rows):
        own = " ".join(text for text in row.overrides if text not in shared) or "-"
        table.add_row(str(number), own, *_results(row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=max(80, *(len(" ".join(row.overrides)) + 60 for row in rows)))
    console.print(table)
    failed = sum(row.error is not None for row in rows)
    print(f"{len(rows)} jobs, {failed} failed" if failed else f"{len(rows)} jobs, all finished")


def _results(row: Row) -> tuple[str, str, str]:
    if row.summary is None:
        return (f"failed: {row.error.message if row.error else ''}", "-", "-")
    best, target, clock = row.summary["best"], row.summary["target"], row.summary["clock"]
    reached = "not set" if target["value"] is None else "not reached"
    if target["reached"]:
        reached = f"{target['train_seconds']:.2f} s"
    shown = f"{best['metric']} {best['value']:.4f}" if best else "-"
    return shown, reached, f"{clock['train'] + clock['data_wait']:.2f} s"
