"""The columns of a comparison: what differs in the configs of the rows, and what came out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from fastrun.report.compare.comparison import Comparison
from fastrun.report.compare.differences import format_value, value_of
from fastrun.report.compare.groups import Group
from fastrun.report.times import format_seconds
from fastrun.system.free_space import format_mebibytes

_MOST_VALUES = 3  # in a cell


@dataclass(frozen=True)
class Column:
    """A column of the table.

    Attributes:
        name: what stands above it.
        cell: returns the text for a row.
        is_number: whether it is aligned at the right.
        rank: how early it is left out where a terminal is too narrow, the highest first; 0 for never.
        is_folded: whether its text may go over several lines.
    """

    name: str
    cell: Callable[[Group], str]
    is_number: bool = False
    rank: int = 0
    is_folded: bool = False


def config_columns(comparison: Comparison) -> list[Column]:
    """Return the columns that say which runs a row has, and what differs in their configs."""
    keys = [Column(key, partial(_values, key=key)) for key in comparison.keys]
    return [Column("run", name_runs), *keys]


def short_config_columns(comparison: Comparison) -> list[Column]:
    """Return the same with one column for all keys that differ."""

    def differs(group: Group) -> str:
        return " ".join(f"{key}={_values(group, key)}" for key in comparison.keys)

    return [Column("run", name_runs), *([Column("differs", differs, is_folded=True)] if comparison.keys else [])]


def name_runs(group: Group) -> str:
    """Return the identity of a run, or of the first of several and the number of the others that count."""
    more = len(group.counted) - 1
    return f"{group.first.id} +{more}" if more else group.first.id


def _values(group: Group, key: str) -> str:
    """Return the value of a key; the values, where it was left to the runs and they chose different ones."""
    values = dict.fromkeys(format_value(value_of(record, key)) for record in group.counted)
    listed = list(values) if len(values) <= _MOST_VALUES else [*list(values)[:_MOST_VALUES], "…"]
    return ", ".join(listed)


def result_columns(comparison: Comparison) -> list[Column]:
    """Return the columns that say what came out; those that no run has anything for are left out."""
    columns = [*_best_columns(comparison), *_target_columns(comparison)]
    columns += [
        Column(
            "steps done" if "steps" in comparison.keys else "steps",
            lambda group: _mean(group, "steps", ",.0f"),
            True,
            5,
        ),
        Column("samples/s", lambda group: _mean(group, "samples_per_second", ",.0f"), True, 6),
        Column("memory", _memory, True, 7),
    ]
    if any(record.status != "finished" for group in comparison.groups for record in group.records):
        columns.append(Column("status", _status))
    if comparison.data:
        names = dict(zip(map(id, comparison.groups), comparison.data, strict=True))
        columns.append(Column("data", lambda group: names[id(group)] or "-"))
    return [column for column in columns if any(column.cell(group) != "-" for group in comparison.groups)]


def _best_columns(comparison: Comparison) -> list[Column]:
    metrics = comparison.metrics
    columns = [Column(metrics[0] if len(metrics) == 1 else "best", lambda group: _mean(group, "best", ".4f"), True)]
    if len(metrics) > 1:
        columns.insert(0, Column("metric", lambda group: group.first.metric or "-"))
    if comparison.has_groups:
        columns.append(Column("95 % CI", _interval, True, 1))
        columns.append(Column("std", _deviation, True, 3))
        columns.append(Column("n", lambda group: str(len(group.counted)), True, 2))
    return columns


def _target_columns(comparison: Comparison) -> list[Column]:
    """Return the columns of both clocks: until the target, or of all training where no run has one."""
    if not any(group.first.target is not None for group in comparison.groups):
        return [
            Column("trained", lambda group: _seconds(group, "train_seconds"), True),
            Column("wall", lambda group: _seconds(group, "wall_seconds"), True, 4),
        ]
    return [
        Column("to target", _to_target, True),
        Column("wall", lambda group: _seconds(group, "target_wall_seconds"), True, 4),
    ]


def _to_target(group: Group) -> str:
    """Return the seconds of training until the target was reached, and how many of several runs reached it."""
    if group.first.target is None:
        return "no target"
    reached = sum(record.target_reached for record in group.counted)
    if not reached:
        return "not reached"
    share = "" if reached == len(group.counted) else f" ({reached}/{len(group.counted)})"
    return _seconds(group, "target_seconds") + share


def _mean(group: Group, name: str, form: str) -> str:
    found = group.statistics(name)
    return "-" if found is None else format(found.mean, form)


def _seconds(group: Group, name: str) -> str:
    found = group.statistics(name)
    return "-" if found is None else format_seconds(found.mean)


def _memory(group: Group) -> str:
    found = group.statistics("peak_memory")
    return "-" if found is None else format_mebibytes(round(found.mean))


def _deviation(group: Group) -> str:
    found = group.statistics("best")
    return "-" if found is None or found.deviation is None else f"{found.deviation:.4f}"


def _interval(group: Group) -> str:
    """Return half the width of the mean's interval, which is symmetric."""
    found = group.statistics("best")
    return "-" if found is None or found.low is None else f"±{found.mean - found.low:.4f}"


def _status(group: Group) -> str:
    statuses = dict.fromkeys(record.status for record in group.records)
    return ", ".join(statuses)
