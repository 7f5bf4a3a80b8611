"""The lines of `fastrun runs`: one a run, or one for all runs of a sweep, in columns that fit the terminal."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.cells import cell_len, set_cell_size

from fastrun.report.ages import describe_age
from fastrun.report.record import RunRecord

TITLES = "id", "training", "status", "best", "target", "age"
_GAP = 2  # spaces between columns
_LONGEST_ID = 24  # characters; a longer one is a directory's name, whose start may be typed as well
_LEAST = 12  # characters that are left of a text which is cut


@dataclass(frozen=True)
class Line:
    """A line, as texts.

    Attributes:
        id: the short id of the run or sweep.
        training: its name, and what differs from the recipe.
        status: how it ended, and why.
        best: the best value of its metric.
        target: the seconds of training to the target.
        age: since it was started.
    """

    id: str
    training: str
    status: str
    best: str
    target: str
    age: str

    def cells(self) -> tuple[str, ...]:
        """Return the texts in the order of ``TITLES``."""
        return self.id, self.training, self.status, self.best, self.target, self.age


def lines_of(records: Sequence[RunRecord], folder: Path, *, is_whole: bool, is_reversed: bool = False) -> list[Line]:
    """Return the lines of runs in their order; one for a sweep or study, in the place of its last run.

    Args:
        records: the runs.
        folder: the folder that is listed; a sweep that it is itself, or that it lies in, is listed run by run.
        is_whole: whether all sweeps and studies are.
        is_reversed: whether a sweep stands in the place of its first run instead.
    """
    jobs: dict[Path, list[RunRecord]] = {}
    for record in records if not is_whole else ():
        if record.sweep is not None and record.sweep != folder and record.sweep.is_relative_to(folder):
            jobs.setdefault(record.sweep, []).append(record)
    return list(_lines(records, jobs, 0 if is_reversed else -1))


def _lines(records: Sequence[RunRecord], jobs: dict[Path, list[RunRecord]], place: int) -> Iterator[Line]:
    now = time.time()
    for record in records:
        together = jobs.get(record.sweep) if record.sweep else None
        if together is None:
            yield _line_of(record, now)
        elif record is together[place]:
            yield _line_of_sweep(together, now)


def _line_of(record: RunRecord, now: float) -> Line:
    return Line(
        record.id,
        describe_training(record),
        describe_status(record),
        _best(record),
        _target(record),
        describe_age(now - record.started),
    )


def describe_training(record: RunRecord) -> str:
    """Return the name of a run, its recipe where that is called otherwise, and what differs from it."""
    return " ".join([_title(record), *record.differs])


def _title(record: RunRecord) -> str:
    is_named = record.recipe is not None and record.recipe.replace("/", "-") != record.name
    return f"{record.name} ({record.recipe})" if is_named else record.name


def describe_status(record: RunRecord) -> str:
    """Return how a run ended, and why if it did not finish."""
    has_reason = record.reason and record.status != "finished"
    return f"{record.status}: {record.reason}" if has_reason else record.status


def _best(record: RunRecord) -> str:
    if record.best is None:
        return "-"
    value = f"{record.best:.4f}" if abs(record.best) < 1e6 else f"{record.best:.4g}"
    return f"{(record.metric or '').removeprefix('val/')} {value}"


def _target(record: RunRecord) -> str:
    if record.target_seconds is not None:
        return describe_seconds(record.target_seconds)
    return "missed" if record.target is not None and record.status == "finished" else "-"


def describe_seconds(seconds: float) -> str:
    """Return a time of training in a fitting unit, such as ``6.70 s`` or ``3.2 h``."""
    if seconds < 100:
        return f"{seconds:.2f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"


def _line_of_sweep(jobs: Sequence[RunRecord], now: float) -> Line:
    """Return the line of a sweep: what varies in it, how its runs ended, and the best of them."""
    statuses = Counter(job.status for job in jobs)
    counts = ", ".join(f"{count} {status}" for status, count in statuses.most_common())
    metrics = {job.metric for job in jobs if job.best is not None}
    best = max(jobs, key=lambda job: job.rank) if len(metrics) == 1 else None
    reached = [job for job in jobs if job.target_seconds is not None]
    fastest = min(reached, key=lambda job: job.target_seconds or 0.0, default=None)
    varied = ", ".join(_varied_keys(jobs))
    return Line(
        jobs[0].sweep_id or "-",
        f"{_title(jobs[0])} {len(jobs)} runs{f' over {varied}' if varied else ''}",
        counts,
        "-" if best is None else _best(best),
        "-" if fastest is None else _target(fastest),
        describe_age(now - max(job.started for job in jobs)),
    )


def _varied_keys(jobs: Sequence[RunRecord]) -> list[str]:
    """Return the keys whose overrides are not the same in all jobs."""
    counts = Counter(override for job in jobs for override in dict.fromkeys(job.differs))
    return list(
        dict.fromkeys(override.partition("=")[0].lstrip("+") for override in counts if counts[override] < len(jobs))
    )


def render(titles: Sequence[str], lines: Sequence[Sequence[str]], width: int | None) -> str:
    """Return lines below their titles, without characters that would change the terminal and without empty columns.

    Args:
        titles: the titles of the columns.
        lines: the texts of each line. The second is what was trained, and the third how it ended.
        width: the characters of a line of the terminal; those two texts are cut to fit. None for as many as it takes.
    """
    rows = [titles, *([text if text.isprintable() else _printable(text) for text in line] for line in lines)]
    is_empty = [lines and all(text == "-" for text in column[1:]) for column in zip(*rows, strict=True)]
    rows = [[text for text, empty in zip(row, is_empty, strict=True) if not empty] for row in rows]
    widths = [max(map(_length, column)) for column in zip(*rows, strict=True)]
    if width is not None:
        widths = _fitted(widths, width - _GAP * (len(widths) - 1))
    return "\n".join((" " * _GAP).join(map(_cut, row, widths)).rstrip() for row in rows)


def _fitted(widths: Sequence[int], total: int) -> list[int]:
    """Return widths of the columns whose sum is at most ``total``; what trains and its status are cut where needed."""
    fitted = [min(widths[0], _LONGEST_ID), *widths[1:]]
    room = max(2 * _LEAST, total - sum(fitted) + widths[1] + widths[2])
    if widths[1] + widths[2] > room:
        fitted[2] = min(widths[2], max(_LEAST, 2 * room // 5, room - widths[1]))
        fitted[1] = room - fitted[2]
    return fitted


def _length(text: str) -> int:
    return len(text) if text.isascii() else cell_len(text)


def _cut(text: str, width: int) -> str:
    """Return a text with exactly so many characters of the terminal."""
    length = _length(text)
    if length <= width:
        return f"{text}{' ' * (width - length)}"
    return set_cell_size(text, width - 1) + "…"


def _printable(text: str) -> str:
    return "".join(character if character.isprintable() else " " for character in text)
