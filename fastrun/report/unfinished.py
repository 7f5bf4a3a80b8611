"""What a run without a summary has measured so far, and why it ended: from its metrics.jsonl and its run.log."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fastrun.config.monitor import default_monitor
from fastrun.report.values import number, whole
from fastrun.storage.run_dir import RunDir

_TAIL = 1 << 16  # bytes of run.log in which the last message is looked for; a traceback may follow it
_MESSAGE = re.compile(r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d (?:error: )?(.*)$", re.MULTILINE)


def measured_so_far(
    run: RunDir, metric: str | None, target: float | None, directions: Mapping[str, bool] = MappingProxyType({})
) -> dict[str, Any]:
    """Return the results of a run that has not finished, by the names of the fields of a record.

    Args:
        run: the run.
        metric: the metric that its config chooses, or None.
        target: the value that it is to reach, or None.
        directions: whether larger values are better of the metrics that say so.
    """
    last, validations = _lines(run.metrics)
    results: dict[str, Any] = {"steps": whole(last.get("step")), "train_seconds": number(last.get("train_seconds"))}
    monitor = default_monitor(metric, {name for line in validations for name in line}, directions)
    measured = [(line, value) for line in validations if (value := number(line.get(monitor.name))) is not None]
    if not measured:
        return results
    sign = 1 if monitor.higher_is_better else -1
    line, best = max(measured, key=lambda one: sign * one[1])  # the earliest of several that are as good
    results |= {"metric": monitor.name, "higher_is_better": monitor.higher_is_better}
    results |= {"best": best, "best_step": line["step"]}
    reached = next((line for line, value in measured if target is not None and monitor.reaches(value, target)), None)
    if reached is not None:
        seconds = number(reached.get("train_seconds"))  # the only clock in metrics.jsonl
        results |= {"target_reached": True, "target_steps": reached["step"], "target_seconds": seconds}
    return results


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
