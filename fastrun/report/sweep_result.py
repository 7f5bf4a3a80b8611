"""A sweep as Python has it: its runs, and the best of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Self

from fastrun.config.monitor import Monitor, directions_of
from fastrun.report.run import Run
from fastrun.storage.job import JobRecord


@dataclass(frozen=True)
class Sweep:
    """A sweep that has ended. Iterating over it yields its runs.

    Attributes:
        folder: its folder.
        runs: the runs in the order of their jobs; ``run.status`` says how each ended.
        points: the overrides that tell each run from the others.
        failed: the error of each job that left no run directory, by the overrides that tell it from the others.
    """

    folder: Path
    runs: list[Run]
    points: list[list[str]]
    failed: dict[str, str]

    @classmethod
    def of(cls, folder: Path, records: Sequence[JobRecord]) -> Self:
        """Return the sweep in a folder.

        Args:
            folder: the folder.
            records: its jobs.
        """
        folder = folder.absolute()
        left = [record for record in records if (folder / record.folder / "config.yaml").is_file()]
        failed = {" ".join(one.sweep_overrides): one.error or one.state for one in records if one not in left}
        runs = [Run.open(folder / record.folder) for record in left]
        return cls(folder, runs, [record.sweep_overrides for record in left], failed)

    @property
    def best(self) -> Run | None:
        """Return the run with the best validation, the first of several; None where nothing was measured.

        Runs that are judged by other metrics than the first one do not count.
        """
        measured = [run for run in self.runs if run.summary.get("best")]
        if not measured:
            return None
        metric = str(measured[0].summary["best"]["metric"])
        sign = 1 if Monitor.of(metric, directions_of(measured[0].settings.metrics)).higher_is_better else -1
        same = [run for run in measured if run.summary["best"]["metric"] == metric]
        return max(same, key=lambda run: float(sign * run.summary["best"]["value"]))

    def __len__(self) -> int:
        """Return the number of its runs."""
        return len(self.runs)

    def __iter__(self) -> Iterator[Run]:
        """Yield its runs."""
        return iter(self.runs)

    def __repr__(self) -> str:
        """Return its folder and its best run."""
        return f"<Sweep {self.folder}: {len(self.runs)} runs, best {self.best}>"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: a line for each run."""
        rows = [(" ".join(point), run.result) for point, run in zip(self.points, self.runs, strict=True)]
        lines = [f"<tr><td>{escape(one)}</td><td>{escape(two)}</td></tr>" for one, two in (*rows, *self.failed.items())]
        return f"<table><tr><th>overrides</th><th>result</th></tr>{''.join(lines)}</table>"

    def __fspath__(self) -> str:
        """Return the path of its folder, for :func:`fastrun.compare`."""
        return str(self.folder)
