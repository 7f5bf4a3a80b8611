"""List the runs below the output folder: name, status, best metric, target time, age."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from fastrun.cli.parser import parser
from fastrun.config.monitor import default_monitor
from fastrun.errors import StorageError
from fastrun.storage.checkpoint.select import best
from fastrun.storage.run_dir import RunDir


def run(arguments: list[str]) -> int:
    """Print a line a run, the newest first."""
    verb = parser("runs", __doc__)
    verb.add_argument("folder", nargs="?", type=Path, default=Path("outputs"), help="where to look (outputs)")
    verb.add_argument("--json", action="store_true", help="print a JSON object a run")
    given = verb.parse_args(arguments)
    if given.folder == Path("outputs") and not given.folder.exists():
        print("" if given.json else "no runs here yet; `fastrun train` makes one in outputs/\n", end="")
        return 0
    if not given.folder.is_dir():
        raise StorageError(f"{given.folder} is not a folder", "name the one that outputs=… named")
    found = [_line(RunDir(path.parent)) for path in given.folder.rglob("config.yaml")]
    found.sort(key=lambda line: -line["started"])
    if given.json:
        for line in found:
            print(json.dumps(line))
    elif found:
        _show(found)
    else:
        print(f"no runs in {given.folder}")
    return 0


def _line(run: RunDir) -> dict[str, Any]:
    summary, status = run.read("summary.json"), run.read("status.json")
    target = summary.get("target") or {}
    found = summary.get("best") or _best_saved(run)
    return {
        "run": str(run.path),
        "name": run.path.parent.name,
        "status": run.status(),
        "best": found.get("value"),
        "metric": found.get("metric"),
        "target_seconds": target.get("train_seconds"),
        "started": float(status.get("started", run.path.stat().st_mtime)),
    }


def _best_saved(run: RunDir) -> dict[str, Any]:
    """Return the best that the checkpoints of a run without a summary measured, by the metric of its task."""
    found = best(run.saved_checkpoints(), None)
    if found is None:
        return {}
    metric = default_monitor(None, found.metrics).name
    return {"metric": metric, "value": found.metrics[metric]}


def _show(lines: list[dict[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("run", "status", "best", "target", "age")
    for line in lines:
        best = "-" if line["best"] is None else f"{line['metric']} {line['best']:.4f}"
        target = "-" if line["target_seconds"] is None else f"{line['target_seconds']:.2f} s"
        table.add_row(line["run"], line["status"], best, target, _age(time.time() - line["started"]))
    console = Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=max(len(line["run"]) for line in lines) + 70)
    console.print(table)


def _age(seconds: float) -> str:
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds:.0f} s"
