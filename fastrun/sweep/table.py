"""The table that ends a sweep."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from fastrun.config.monitor import Monitor
from fastrun.storage.job import FAILED, UNFINISHED, JobRecord
from fastrun.storage.run_dir import RunDir
from fastrun.sweep.ledger import Ledger


def show(ledger: Ledger, records: Sequence[JobRecord]) -> None:
    """Print a line a job, its own overrides, its best metric and its time to target; and how to go on."""
    table = Table("#", "overrides", "best", "target", "trained", title=f"{ledger.folder}", title_justify="left")
    for record in records:
        table.add_row(
            str(record.number), " ".join(record.sweep_overrides) or "-", *_results(record, ledger.run(record))
        )
    console = Console(highlight=False)
    if not console.is_terminal:
        widest = max((len(" ".join(record.sweep_overrides)) + len(record.error or "") for record in records), default=0)
        console = Console(highlight=False, width=max(80, widest + 60))
    console.print(table)
    print(format_counts(records))
    if line := _best_line(ledger, records):
        print(line)
    for line in next_commands(ledger.folder, records):
        print(line)


def _best_line(ledger: Ledger, records: Sequence[JobRecord]) -> str | None:
    """Return the best of several jobs with its run directory; None where they are not judged by one metric."""
    finished = [record for record in records if record.state == "finished"]
    bests = [(record, (ledger.run(record).read("summary.json") or {}).get("best")) for record in finished]
    found = [(best["value"], record) for record, best in bests if best]
    monitors = {Monitor.of_record(best) for _, best in bests if best}
    if len(found) < 2 or len(monitors) != 1:
        return None
    (monitor,) = monitors
    choose = max if monitor.higher_is_better else min
    value, record = choose(found, key=lambda pair: pair[0])
    return f"best: {monitor.name} {value:.4f} with {' '.join(record.sweep_overrides)}, {ledger.run(record).path}"


def format_counts(records: Sequence[JobRecord]) -> str:
    """Return how many jobs there are, and how many ended in which state."""
    states = Counter(record.state for record in records)
    counts = ", ".join(f"{count} {state}" for state, count in states.items())
    return f"{len(records)} jobs, all finished" if set(states) <= {"finished"} else f"{len(records)} jobs: {counts}"


def next_commands(folder: Path, records: Sequence[JobRecord]) -> list[str]:
    """Return the commands that run what has not finished."""
    states = {record.state for record in records}
    lines = [f"go on with: fastrun resume {folder}"] if states & set(UNFINISHED) else []
    return lines + ([f"try what failed again: fastrun resume {folder} --failed"] if states & set(FAILED) else [])


def _results(record: JobRecord, run: RunDir) -> tuple[str, str, str]:
    summary = run.read("summary.json") if record.state == "finished" else {}
    if not {"best", "target", "clock"} <= summary.keys():
        return (f"{record.state}: {record.error}" if record.error else record.state, "-", "-")
    best, target, clock = summary["best"], summary["target"], summary["clock"]
    reached = "not set" if target["value"] is None else "not reached"
    if target["reached"]:
        reached = f"{target['train_seconds']:.2f} s"
    best_value = f"{best['metric']} {best['value']:.4f}" if best else "-"
    return best_value, reached, f"{clock['train'] + clock['data_wait']:.2f} s"
