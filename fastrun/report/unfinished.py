"""What a run without a summary has measured so far, and why it ended: from its metrics.jsonl and its run.log."""

from __future__ import annotations

import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from fastrun.config.monitor import Monitor, default_monitor
from fastrun.storage.run_dir import RunDir

_TAIL = 1 << 16  # bytes of run.log in which the last message is looked for; a traceback may follow it
_MESSAGE = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (?:error: )?(.*)$", re.MULTILINE)


def measured_so_far(run: RunDir, metric: str | None, target: float | None) -> dict[str, Any]:
    """Return the results of a run that has not finished, by the names of the fields of a record.

    Args:
        run: the run.
        metric: the metric that its config chooses, or None.
        target: the value that it is to reach, or None.
    """
    last, validations = _lines(run.metrics)
    monitor = default_monitor(metric, {name for line in validations for name in line})
    measured = [line for line in validations if _is_finite(line.get(monitor.name))]
    best = max(measured, key=lambda line: _rank(line, monitor), default=None)
    step, seconds = last.get("step"), last.get("train_seconds")
    results: dict[str, Any] = {
        "steps": step if isinstance(step, int) else None,
        "train_seconds": float(seconds) if _is_finite(seconds) else None,
    }
    if best is None:
        return results
    results |= {"metric": monitor.name, "higher_is_better": monitor.higher_is_better}
    results |= {"best": float(best[monitor.name]), "best_step": best["step"]}
    return results | _target_reached(measured, monitor, target)


def _rank(line: Mapping[str, Any], monitor: Monitor) -> tuple[float, int]:
    """Return what is largest for the best validation, the earliest of several that are as good."""
    value = float(line[monitor.name])
    return (value if monitor.higher_is_better else -value), -line["step"]


def _target_reached(measured: Sequence[Mapping[str, Any]], monitor: Monitor, target: float | None) -> dict[str, Any]:
    """Return when a target was reached, if it was; on the clock of training, the only one in metrics.jsonl."""
    for line in measured if target is not None else ():
        if target is not None and monitor.reaches(float(line[monitor.name]), target):
            seconds = line.get("train_seconds")
            return {
                "target_reached": True,
                "target_steps": line["step"],
                "target_seconds": float(seconds) if _is_finite(seconds) else None,
            }
    return {}


def _lines(path: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the last whole line of a metrics.jsonl, and those of validations; without parsing the others."""
    try:
        lines = path.read_bytes().split(b"\n")[:-1]
    except OSError:
        return {}, []
    validations = [parsed for line in lines if b'"val/' in line and (parsed := _parsed(line))]
    last = next((parsed for line in reversed(lines) if (parsed := _parsed(line))), {})
    return last, validations


def _parsed(line: bytes) -> dict[str, Any]:
    """Return the object of a line; an empty one if it is damaged or has no step."""
    with suppress(ValueError, RecursionError):
        content = json.loads(line)
        if isinstance(content, dict) and isinstance(content.get("step"), int):
            return content
    return {}


def _is_finite(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def reason_of_end(run: RunDir, status: str) -> str | None:
    """Return why a run ended that did not finish; None if it runs, or nothing says why.

    Args:
        run: the run.
        status: its status.
    """
    if status == "killed":
        return "its process is gone"
    if status not in ("failed", "diverged", "interrupted"):
        return None
    messages = _MESSAGE.findall(_tail(run.path / "run.log"))  # the error is logged last
    return messages[-1].strip() or None if messages else None


def _tail(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            return file.read().decode(errors="replace")
    except OSError:
        return ""
