"""The display of a running sweep: a live table in a terminal, otherwise a line for each job."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Iterable
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from fastrun.storage.job import JobRecord

_EVERY = 0.25  # seconds between two drawings
_KEPT = 8  # ended jobs that stay in the table


class LiveView:
    """The display of a sweep until it ends."""

    def __init__(self, total: int, quiet: bool = False) -> None:
        self.total = total
        self.rows: dict[int, JobRecord] = {}
        self.last_metrics: dict[int, str] = {}
        self.last_ended: deque[int] = deque(maxlen=_KEPT)
        self.console = Console(highlight=False, soft_wrap=True, quiet=quiet)
        live = self.console.is_terminal and not quiet
        self.live = Live(console=self.console, auto_refresh=False, transient=True) if live else None
        self._drawn = 0.0

    def __enter__(self) -> Self:
        """Start the live display, if the output is a terminal."""
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Remove the live display, before the final table is printed."""
        if self.live:
            self.live.stop()

    def say(self, text: str) -> None:
        """Print a line above the live display."""
        self.console.print(text, markup=False)

    def started(self, record: JobRecord) -> None:
        """Show that a job has started."""
        self.rows[record.number] = record

    def measured(self, record: JobRecord, step: int, metrics: dict[str, float]) -> None:
        """Show the last validation of a job."""
        self.last_metrics[record.number] = " ".join(f"{name} {value:.4f}" for name, value in metrics.items())

    def ended(self, record: JobRecord) -> None:
        """Show how a job ended."""
        self.rows[record.number] = record
        self.last_ended.append(record.number)
        detail = record.error or self.last_metrics.get(record.number, "")
        line = (
            f"job {record.number} {' '.join(record.sweep_overrides)}: {record.state} in {record.seconds:.1f} s {detail}"
        )
        if self.live is None or record.state != "finished":
            self.say(" ".join(line.split()))

    def draw(self, running: Iterable[int]) -> None:
        """Draw the table of the jobs that ended last and of those that run, and the number of jobs in each state."""
        if self.live is None or time.monotonic() - self._drawn < _EVERY:
            return
        self._drawn = time.monotonic()
        table = Table("#", "overrides", "for", "last measured", caption=self.counts(), caption_justify="left")
        for number in self.last_ended:
            record = self.rows[number]
            self._add_row(table, record, f"{record.state}, {record.seconds:.0f} s", "dim")
        for number in running:
            record = self.rows[number]
            self._add_row(table, record, f"{time.time() - (record.started or 0):.0f} s")
        self.live.update(table if table.row_count else Text(self.counts(), style="dim"), refresh=True)

    def _add_row(self, table: Table, record: JobRecord, taken: str, style: str | None = None) -> None:
        measured = self.last_metrics.get(record.number, "-")
        table.add_row(str(record.number), " ".join(record.sweep_overrides), taken, measured, style=style)

    def counts(self) -> str:
        """Return how many jobs there are in each state."""
        states = Counter(record.state for record in self.rows.values())
        states["waiting"] = self.total - len(self.rows)
        return ", ".join(f"{count} {state}" for state, count in states.items() if count)
