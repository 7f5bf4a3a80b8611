"""List the runs in the output folder: name, status, best metric, time to the target, age."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from fastrun.config.monitor import default_monitor
from fastrun.errors import StorageError
from fastrun.storage.checkpoint.select import best
from fastrun.storage.run_dir import RunDir
from fastrun.system.argument_parser import ArgumentParser

_OUTPUTS = Path("outputs")
_UNITS = (("d", 86400), ("h", 3600), ("min", 60))


def run(arguments: list[str]) -> int:
    """Print a line for each run, the newest first."""
    parser = ArgumentParser("fastrun runs", __doc__)
    parser.add_argument("folder", nargs="?", type=Path, default=_OUTPUTS, help="the output folder (default: outputs)")
    parser.add_argument("--json", action="store_true", help="print a JSON object for each run")
    given = parser.parse_args(arguments)
    records = _records(given.folder)
    if given.json:
        for record in records:
            print(json.dumps(record))
    elif records:
        _print_table(records)
    elif given.folder.exists():
        print(f"no runs in {given.folder}")
    else:
        print("no runs here yet; `fastrun train` starts one in outputs/")
    return 0


def _records(folder: Path) -> list[dict[str, Any]]:
    """Return the records of the runs in a folder, the newest first.

    Raises:
        StorageError: there is no such folder, and it is not the default one.
    """
    if folder == _OUTPUTS and not folder.exists():
        return []
    if not folder.is_dir():
        raise StorageError(f"{folder} is not a folder", "name the folder that outputs=… named")
    records = [_record_of(RunDir(path.parent)) for path in folder.rglob("config.yaml")]
    return sorted(records, key=lambda record: -record["started"])


def _record_of(run: RunDir) -> dict[str, Any]:
    summary, status = run.read("summary.json"), run.read("status.json")
    target = summary.get("target") or {}
    result = summary.get("best") or _best_of_checkpoints(run)
    return {
        "run": str(run.path),
        "name": run.path.parent.name,
        "status": run.status(),
        "best": result.get("value"),
        "metric": result.get("metric"),
        "target_seconds": target.get("train_seconds"),
        "started": float(status.get("started", run.path.stat().st_mtime)),
    }


def _best_of_checkpoints(run: RunDir) -> dict[str, Any]:
    """Return the best result among the checkpoints of a run without a summary, by the default metric of its task."""
    checkpoint = best(run.saved_checkpoints(), None)
    if checkpoint is None:
        return {}
    metric = default_monitor(None, checkpoint.metrics).name
    return {"metric": metric, "value": checkpoint.metrics[metric]}


def _print_table(records: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("run", "status", "best", "target", "age")
    for record in records:
        result = "-" if record["best"] is None else f"{record['metric']} {record['best']:.4f}"
        target = "-" if record["target_seconds"] is None else f"{record['target_seconds']:.2f} s"
        table.add_row(record["run"], record["status"], result, target, _format_age(time.time() - record["started"]))
    console = Console(highlight=False)
    if not console.is_terminal:  # a pipe has no width that the table would have to fit
        console = Console(highlight=False, width=max(len(record["run"]) for record in records) + 70)
    console.print(table)


def _format_age(seconds: float) -> str:
    for unit, size in _UNITS:
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
