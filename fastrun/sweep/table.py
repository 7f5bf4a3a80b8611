"""The table that ends a sweep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from fastrun.job import FAILED, UNFINISHED, Row
from fastrun.rundir import RunDir
from fastrun.sweep.ledger import Ledger


def show(ledger: Ledger, rows: Sequence[Row]) -> None:
    """Print a line a job, its own overrides, its best metric and its time to target; and how to go on."""
    table = Table("#", "overrides", "best", "target", "trained", title=f"{ledger.folder}", title_justify="left")
    for row in rows:
        table.add_row(str(row.number), " ".join(row.own) or "-", *_results(row, ledger.run(row)))
    console = Console(highlight=False)
    if not console.is_terminal:
        widest = max((len(" ".join(row.own)) + len(row.error or "") for row in rows), default=0)
        console = Console(highlight=False, width=max(80, widest + 60))
    console.print(table)
    print(counted(rows))
    for line in ways_on(ledger.folder, rows):
        print(line)


def counted(rows: Sequence[Row]) -> str:
    """Return how many jobs there are, and how many ended in which state."""
    states = Counter(row.state for row in rows)
    told = ", ".join(f"{count} {state}" for state, count in states.items())
    return f"{len(rows)} jobs, all finished" if set(states) <= {"finished"} else f"{len(rows)} jobs: {told}"


def ways_on(folder: Path, rows: Sequence[Row]) -> list[str]:
    """Return the commands that run what has not finished."""
    states = {row.state for row in rows}
    lines = [f"go on with: fastrun resume {folder}"] if states & set(UNFINISHED) else []
    return lines + ([f"try what failed again: fastrun resume {folder} --failed"] if states & set(FAILED) else [])


def _results(row: Row, run: RunDir) -> tuple[str, str, str]:
    summary = run.read("summary.json") if row.state == "finished" else {}
    if not {"best", "target", "clock"} <= summary.keys():
        return (f"{row.state}: {row.error}" if row.error else row.state, "-", "-")
    best, target, clock = summary["best"], summary["target"], summary["clock"]
    reached = "not set" if target["value"] is None else "not reached"
    if target["reached"]:
        reached = f"{target['train_seconds']:.2f} s"
    shown = f"{best['metric']} {best['value']:.4f}" if best else "-"
    return shown, reached, f"{clock['train'] + clock['data_wait']:.2f} s"
