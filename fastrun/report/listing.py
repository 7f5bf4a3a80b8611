"""The lines of `fastrun runs`, in columns that fit the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, set_cell_size

from fastrun.report.ages import describe_age
from fastrun.report.record import RunRecord

TITLES = "id", "training", "status", "best", "target", "age"
_GAP = 2  # spaces between columns
_LONGEST_ID = 24  # characters; a longer one is a directory's name, whose start may be typed as well
_LEAST = 12  # characters that are left of a text which is cut
_PROGRESS = len("interrupted: block 3 of 6")  # characters of a status that stay where a name has room beside it
_NAME = 18  # characters of it


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


def line_of(record: RunRecord, now: float) -> Line:
    """Return the line of a run, or of all runs of a sweep or study.

    Args:
        record: its record.
        now: the time, in seconds since the epoch.
    """
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
        least = max(_LEAST, min(_PROGRESS, room - _NAME))
        fitted[2] = min(widths[2], max(least, 2 * room // 5, room - widths[1]))
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
