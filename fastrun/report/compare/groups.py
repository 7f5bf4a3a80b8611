"""Runs of one config and several seeds as one row: their number, mean, deviation and interval."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, stdev
from typing import Any

from fastrun.report.compare.differences import comparable, requested_value_of
from fastrun.report.record import RunRecord

CONFIDENCE = 0.95


@dataclass(frozen=True)
class Statistics:
    """What several runs measured.

    Attributes:
        n: the number of runs.
        mean: their mean.
        deviation: their standard deviation, as of a sample; None for one run.
        low: the lower end of the mean's 95 % interval, by Student's t; None for one run.
        high: its upper end.
    """

    n: int
    mean: float
    deviation: float | None = None
    low: float | None = None
    high: float | None = None


def statistics_of(values: Iterable[float | None]) -> Statistics | None:
    """Return the statistics of values, without those that are missing; None if all are."""
    known = [value for value in values if value is not None]
    if not known:
        return None
    mean = fmean(known)
    if len(known) == 1:
        return Statistics(1, mean)
    from scipy.special import stdtrit  # the quantile of Student's t; scipy.stats takes a second to import

    deviation = stdev(known)
    half = float(stdtrit(len(known) - 1, (1 + CONFIDENCE) / 2)) * deviation / sqrt(len(known))
    return Statistics(len(known), mean, deviation, mean - half, mean + half)


@dataclass(frozen=True)
class Group:
    """Runs that differ in the seed alone.

    Attributes:
        records: all of them, the oldest first.
        counted: those that count: of each seed the newest, and only finished ones if there are any.
    """

    records: list[RunRecord]
    counted: list[RunRecord]

    @property
    def first(self) -> RunRecord:
        """Return the run that stands for the group."""
        return self.counted[0]

    @property
    def is_finished(self) -> bool:
        """Say whether the runs that count have finished."""
        return self.first.status == "finished"

    def mean(self, name: str) -> float | None:
        """Return the mean of an attribute of the runs' records; None if all lack it."""
        known = [value for record in self.counted if (value := getattr(record, name)) is not None]
        return fmean(known) if known else None

    def statistics(self, name: str) -> Statistics | None:
        """Return the statistics of an attribute of the runs' records."""
        return statistics_of(getattr(record, name) for record in self.counted)


def group_by_config(records: Sequence[RunRecord], varying: Sequence[str]) -> list[Group]:
    """Return groups of runs that differ in the seed alone.

    Args:
        records: the runs.
        varying: the keys in which any of them differ.
    """
    groups: dict[Any, list[RunRecord]] = {}
    for record in records:
        signature = tuple(comparable(requested_value_of(record, key)) for key in varying)
        groups.setdefault(signature, []).append(record)
    return [Group(members, _counted(members)) for members in groups.values()]


def _counted(records: list[RunRecord]) -> list[RunRecord]:
    finished = [record for record in records if record.status == "finished"]
    newest = {record.seed: record for record in finished or records}
    return list(newest.values())
