"""A sweep that is watched, as what is shown of it in a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Literal

from rich import box
from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from fastrun.config.monitor import Monitor
from fastrun.report.location import short_id
from fastrun.report.times import format_seconds
from fastrun.report.watch.run_frame import STYLES, title
from fastrun.report.watch.sweep_state import SweepState
from fastrun.storage.job import JobRecord

_COLUMNS = "#", "overrides", "state", "step", "measured", "time"
_SHORTENED = "overrides", "measured"  # columns whose text is cut off where the terminal is narrow
_NARROW = 72  # columns of a terminal below which steps and seconds are left out
_LEFT_OUT = "step", "time"  # there
_AROUND = 9  # lines of a frame that are no rows of the table


def sweep_frame(state: SweepState, console: Console, now: Callable[[], float] = time.time) -> RenderableType:
    """Return what a terminal of this size shows of a sweep: the jobs that run, then the best ones, then the others."""
    rows = _ordered(state)
    shown = rows[: max(3, console.height - _AROUND)]
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    names = [name for name in _COLUMNS if console.width >= _NARROW or name not in _LEFT_OUT]
    for name in names:
        justify: Literal["left", "right"] = "right" if name in ("#", "step", "time") else "left"
        table.add_column(name, justify=justify, no_wrap=name not in _SHORTENED)
    for record in shown:
        cells = _cells(state, record, now())
        table.add_row(*(cells[name] for name in names))
    more = [Text(f"… and {len(rows) - len(shown):,} more jobs", "dim")] if len(rows) > len(shown) else []
    name = state.folder.parent.name
    return Group(title(name, short_id(state.folder), state.status), _bar(state, console.width), table, *more)


def _ordered(state: SweepState) -> list[JobRecord]:
    """Return the records that are worth a row: those of jobs that run, then of those that ended, the best first."""

    def place(record: JobRecord) -> tuple[bool, bool, float, int]:
        best = None if record.state == "running" else record.best
        value = 0.0 if best is None else best["value"] * (-1 if Monitor.of_record(best).higher_is_better else 1)
        return record.state != "running", best is None, value, record.number

    return sorted((record for record in state.jobs.values() if record.state != "waiting"), key=place)


def _cells(state: SweepState, record: JobRecord, now: float) -> dict[str, Text]:
    """Return the cells of a row, by column."""
    measured, step = state.measured(record), state.step(record)
    is_running = record.state == "running"
    seconds = record.seconds + (max(0.0, now - (record.started or now)) if is_running else 0.0)
    result = "-" if measured is None else f"{measured[0].removeprefix('val/')} {measured[1]:.4f}"
    return {
        "#": Text(str(record.number)),
        "overrides": Text(" ".join(record.sweep_overrides) or "-", no_wrap=True, overflow="ellipsis"),
        "state": Text(record.state, STYLES.get(record.state, "yellow")),
        "step": Text(f"{step:,}" if step else "-"),
        "measured": Text(
            record.error if record.error and measured is None else result, no_wrap=True, overflow="ellipsis"
        ),
        "time": Text(format_seconds(seconds)),
    }


def _bar(state: SweepState, width: int) -> RenderableType:
    """Return the progress bar with the number of jobs in each state and the time that is left.

    Of a study, whose next runs follow from the results of others, it shows the block instead.
    """
    counts = ", ".join(f"{count} {name}" for name, count in state.states.items())
    left = state.seconds_left
    total, done = state.total, state.ended
    text = Text(f"{done}/{total} jobs: {counts}" + (f"  {format_seconds(left)} left" if left else ""))
    if state.study is not None:
        text = Text(f"{state.progress}; runs: {counts or 'none yet'}")
        total, done = state.study.blocks, state.blocks_begun - 1
        if state.status == "finished":
            done = total
    grid = Table.grid(padding=(0, 2))
    bar = ProgressBar(total=max(1, total), completed=max(0, done), width=max(10, width - len(text) - 2))
    grid.add_row(bar, text)
    return grid
