"""A comparison of runs: the rows in their order, and what is to be said about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastrun.config.monitor import Monitor
from fastrun.errors import UsageError
from fastrun.report.compare.data import name_data
from fastrun.report.compare.differences import find_differences
from fastrun.report.compare.groups import Group, group_by_config
from fastrun.report.compare.metric import by_metric
from fastrun.report.record import RunRecord


@dataclass(frozen=True)
class Comparison:
    """Runs beside each other.

    Attributes:
        keys: the keys in which they differ.
        groups: the rows: runs that differ in the seed alone are one. Those of the most common metric come first, and
            of each metric those that finished, the best first.
        hidden: the number of rows that were left out because they are too many.
        data: the short name of the data of each row's first run, where rows differ in it; otherwise empty.
        notes: lines for the user.
    """

    keys: list[str]
    groups: list[Group]
    hidden: int
    data: list[str | None]
    notes: list[str]

    @property
    def metrics(self) -> list[str]:
        """Return the metrics that decide on the best value of the runs, each once."""
        return list(dict.fromkeys(group.first.metric for group in self.groups if group.first.metric))

    @property
    def has_groups(self) -> bool:
        """Say whether any row has more than one run."""
        return any(len(group.records) > 1 for group in self.groups)


def compare_runs(
    records: Sequence[RunRecord], metric: str | None = None, limit: int | None = None, notes: Sequence[str] = ()
) -> Comparison:
    """Compare runs.

    Args:
        records: the runs, at least one.
        metric: what to compare them by in place of their own metrics.
        limit: the most rows.
        notes: lines about how the runs were chosen.

    Raises:
        UsageError: none of the runs measured the metric, or has a config that can be read.
    """
    given, records = len(records), [record for record in records if record.config]
    if not records:
        raise UsageError("the config.yaml of no run can be read", "`fastrun runs` says what is wrong with them")
    said = list(notes)
    if metric is not None:
        records = by_metric(records, metric)
        said += _note_on_metric(metric, records[0].directions)
    differences = find_differences(records)
    groups = _sort(group_by_config(records, differences.varying))
    shown = groups[:limit]
    data = [name_data(group.first) for group in shown]
    differs = len(set(data) - {None}) > 1
    hidden = len(groups) - len(shown)
    keys = differences.shown
    said += _notes(records, groups, hidden, keys, differs)
    if given > len(records):
        said.append(f"{given - len(records)} of the runs left out: their config.yaml cannot be read")
    return Comparison(keys, shown, hidden, data if differs else [], said)


def _note_on_metric(metric: str, directions: Mapping[str, bool]) -> list[str]:
    """Return what the value of a metric is that was chosen for all runs; nothing where it decides on no value."""
    if not metric.startswith("val/"):
        return []
    which = "largest" if Monitor.of(metric, directions).higher_is_better else "smallest"
    return [f"{metric} is the best value of each run: the {which} of its validations"]


def _sort(groups: list[Group]) -> list[Group]:
    counts = Counter(group.first.metric for group in groups)

    def place(group: Group) -> tuple[int, str, bool, bool, float]:
        metric, best = group.first.metric, group.mean("best")
        value = best or 0.0
        signed = -value if group.first.higher_is_better else value
        return -counts[metric], metric or "", best is None, not group.is_finished, signed

    return sorted(groups, key=place)


def _notes(
    records: Sequence[RunRecord], groups: list[Group], hidden: int, keys: list[str], data_differs: bool
) -> list[str]:
    notes = []
    if hidden:
        notes.append(f"{hidden:,} more rows are not shown: --limit {len(groups)} shows all, --filter chooses")
    if data_differs:
        notes.append("the runs trained or were measured on different data (column data): their results do not compare")
    if len({record.metric for record in records if record.metric}) > 1:
        notes.append("the runs were judged by different metrics: choose one for all, such as --metric val/loss")
    if len(records) == 1:
        notes.append("one run: there is nothing to compare it with")
    elif not keys:
        notes.append("the configs of the runs differ in nothing" + " but the seed" * (_seeds(records) > 1))
    return notes + _notes_on_counting(groups)


def _notes_on_counting(groups: Sequence[Group]) -> list[str]:
    """Return which runs count in no row, and which rows are by runs that have not finished."""
    counted = {record.path for group in groups for record in group.counted}
    left_out = [record for group in groups for record in group.records if record.path not in counted]
    unfinished = sum(record.status != "finished" for record in left_out)
    repeated = len(left_out) - unfinished
    notes = []
    if unfinished:
        notes.append(f"{_runs(unfinished)} not finished: of that config only those count that have")
    if repeated:
        notes.append(f"{_runs(repeated)} left out: a newer one has the same config and seed")
    partial = sum(len(group.counted) for group in groups if not group.is_finished)
    if partial:
        whose = "it came" if partial == 1 else "they came"
        notes.append(f"{_runs(partial)} shown as far as {whose}, below those that finished")
    return notes


def _runs(count: int) -> str:
    return "1 run is" if count == 1 else f"{count} runs are"


def _seeds(records: Sequence[RunRecord]) -> int:
    return len({record.seed for record in records})
