"""The runs of a sweep that differ in the seed alone, taken together, so that no lucky seed is called the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from fastrun.report.compare.groups import Statistics, statistics_of
from fastrun.report.page.sweep_runs import SweepRun

_SEED = "seed"


@dataclass(frozen=True)
class SeedGroup:
    """Runs that were given the same but for the seed.

    Attributes:
        described: what they were given, as it is typed; empty where that was nothing but the seed.
        runs: the runs that have a result, the best first.
        best: the statistics of their best values.
    """

    described: str
    runs: list[SweepRun]
    best: Statistics

    @property
    def median(self) -> SweepRun:
        """Return the run in the middle."""
        return self.runs[len(self.runs) // 2]


def group_seeds(runs: Sequence[SweepRun]) -> list[SeedGroup]:
    """Return the groups of runs that differ in the seed, the best mean first; none where no group has two runs.

    Args:
        runs: the runs, the best first.
    """
    groups: dict[str, list[SweepRun]] = {}
    for run in runs:
        if run.record.best is not None and _SEED in run.values:
            rest = " ".join(f"{key}={value}" for key, value in run.values.items() if key != _SEED)
            groups.setdefault(rest, []).append(run)
    if not any(len(members) > 1 for members in groups.values()):
        return []
    found = []
    for described, members in groups.items():
        statistics = statistics_of(run.record.best for run in members)
        if statistics is not None:
            found.append(SeedGroup(described, members, statistics))
    sign = -1 if runs[0].record.higher_is_better else 1
    return sorted(found, key=lambda group: sign * group.best.mean)
