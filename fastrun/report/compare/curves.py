"""The curves of compared runs: a metric over steps, seconds of training, or samples."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastrun.report.compare.differences import comparable, format_value, value_of
from fastrun.report.compare.groups import Group
from fastrun.report.compare.metric import lines_with
from fastrun.report.plot.line_chart import Line, LineChart
from fastrun.report.points import Points
from fastrun.report.record import RunRecord

AXES = {"steps": "optimizer steps", "seconds": "seconds of training", "samples": "samples"}
_NAME_LENGTH = 74  # of a line, at most


def draw_groups(groups: Sequence[Group], keys: Sequence[str], metric: str, over: str) -> LineChart | None:
    """Return the chart of a metric; None if none of the runs has measured it.

    Args:
        groups: the rows of the comparison to draw; the runs of one have one color.
        keys: the keys that differ, which name the lines.
        metric: a metric of metrics.jsonl.
        over: one of ``AXES``.
    """
    lines = []
    telling = _telling(groups, keys)
    for group in groups:
        name = name_group(group, telling)
        for record in group.counted:
            points = _points(record, metric, over)
            if points.xs:
                lines.append(Line(name, points.xs, points.ys))
    if not lines:
        return None
    return LineChart(AXES[over], metric, lines, target_of(groups, metric))


def target_of(groups: Sequence[Group], metric: str) -> float | None:
    """Return the value of a metric that all rows were to reach; None where they had none, or different ones."""
    targets = {group.first.target for group in groups if group.first.metric == metric}
    return targets.pop() if len(targets) == 1 else None


def _telling(groups: Sequence[Group], keys: Sequence[str]) -> list[str]:
    """Return the keys in which rows differ, those with the most values first: a name may be cut off at its end."""
    counts = {key: len({comparable(value_of(group.first, key)) for group in groups}) for key in keys}
    return sorted((key for key in keys if counts[key] > 1), key=lambda key: -counts[key])


def name_group(group: Group, keys: Sequence[str]) -> str:
    """Return the name of a row: its run or the number of those that count, and what differs from the other rows."""
    values = " ".join(f"{key}={format_value(value_of(group.first, key))}" for key in keys)
    who = f"{len(group.counted)} runs" if len(group.counted) > 1 else group.first.id
    name = f"{who} {values}".strip()
    return name if len(name) <= _NAME_LENGTH else f"{name[: _NAME_LENGTH - 1]}…"


def _points(record: RunRecord, metric: str, over: str) -> Points:
    points = Points()
    for line in lines_with(record.path, metric):
        points.add(position(line, over, record.config.get("batch.size")), line[metric])
    return points


def position(line: dict[str, Any], over: str, size: Any) -> Any:
    """Return the place of a line of metrics.jsonl along an axis.

    Args:
        line: the line.
        over: one of ``AXES``.
        size: ``batch.size``, the samples that a step takes over all devices.
    """
    if over == "seconds":
        return line.get("train_seconds")
    if over == "samples":
        return line["step"] * size if isinstance(size, int) else None
    return line["step"]
