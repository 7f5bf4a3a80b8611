"""The metric that runs are compared by, and the best value of it that a run measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from fastrun.config.monitor import Monitor
from fastrun.errors import UsageError, nearest
from fastrun.report.record import RunRecord
from fastrun.storage.metrics_file import parse_lines

_POSITION = {"step", "epoch", "train_seconds"}  # the keys of a line that are no metrics


def lines_with(run: Path, metric: str) -> list[dict[str, Any]]:
    """Return the lines of a run's metrics.jsonl that have a metric; others, which are many, are not parsed."""
    key = f'"{metric}"'.encode()
    try:
        with (run / "metrics.jsonl").open("rb") as file:
            return parse_lines(b"".join(line for line in file if key in line))
    except OSError:
        return []


def full_name(metric: str) -> str:
    """Return the name of a metric in metrics.jsonl: ``acc`` is short for ``val/acc``."""
    return metric if "/" in metric or metric == "lr" else f"val/{metric}"


def by_metric(records: Sequence[RunRecord], metric: str) -> list[RunRecord]:
    """Return records whose best value is that of another metric.

    Args:
        records: the runs.
        metric: the metric, such as ``val/loss``. One that no validation measures, such as ``train/loss``, can be drawn,
            but the results stay those of the runs' own metrics.

    Raises:
        UsageError: none of the runs measured it.
    """
    if not metric.startswith("val/"):
        if not any(lines_with(record.path, metric) for record in records):
            raise _unknown(records, metric)
        return list(records)
    changed = [_with_best(record, Monitor.of(metric, record.directions)) for record in records]
    if all(record.best is None for record in changed):
        raise _unknown(records, metric)
    return changed


def _with_best(record: RunRecord, monitor: Monitor) -> RunRecord:
    if record.metric == monitor.name:
        return record
    measured = [(line[monitor.name], line["step"]) for line in lines_with(record.path, monitor.name)]
    known = [(value, step) for value, step in measured if isinstance(value, (int, float))]
    choose = max if monitor.higher_is_better else min
    best, step = choose(known, key=lambda pair: pair[0], default=(None, None))
    return replace(record, metric=monitor.name, best=best, best_step=step, higher_is_better=monitor.higher_is_better)


def _unknown(records: Sequence[RunRecord], metric: str) -> UsageError:
    """Return the error that names the metrics that one of the runs has."""
    for record in records:
        try:
            with (record.path / "metrics.jsonl").open("rb") as file:
                lines = parse_lines(file.read(1 << 20))
        except OSError:
            continue
        known = sorted({key for line in lines for key in line} - _POSITION)
        if known:
            hint = nearest(metric, known) or f"there are {', '.join(known)}"
            return UsageError(f"none of the runs measured {metric}", hint)
    return UsageError(f"none of the runs measured {metric}", "they have not measured anything yet")
