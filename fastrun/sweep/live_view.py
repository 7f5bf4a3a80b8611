"""A sweep while it runs: a table that is drawn anew on a terminal, a line a job elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable

from rich.console import Console
from rich.live import Live
from rich.table import Table

from fastrun.search.job import JobRecord

_EVERY = 0.25  # seconds between two drawings


class LiveView:
    """What a user sees of a sweep until it ends."""

    def __init__(self, total: int, quiet: bool = False) -> None:
        self.total = total
        self.rows: dict[int, JobRecord] = {}
        self.newest: dict[int, str] = {}
        self.console = Console(highlight=False, soft_wrap=True, quiet=quiet)
        live = self.console.is_terminal and not quiet
        self.live = Live(console=self.console, auto_refresh=False, transient=True) if live else None
        self._drawn = 0.0

    def __enter__(self) -> LiveView:
        """Begin to draw."""
        if self.live:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the screen to the table that ends the sweep."""
        if self.live:
            self.live.stop()

    def say(self, text: str) -> None:
        """Show a line."""
        self.console.print(text, markup=False)

    def started(self, record: JobRecord) -> None:
        """Show a job that runs now."""
        self.rows[record.number] = record

    def measured(self, record: JobRecord, step: int, metrics: dict[str, float]) -> None:
        """Show what a job measured last."""
        self.newest[record.number] = " ".join(f"{name} {value:.4f}" for name, value in metrics.items())

    def ended(self, record: JobRecord) -> None:
        """Show how a job ended."""
        self.rows[record.number] = record
        said = record.error or self.newest.get(record.number, "")
        line = (
            f"job {record.number} {' '.join(record.sweep_overrides)}: {record.state} in {record.seconds:.1f} s {said}"
        )
        if self.live is None or record.state != "finished":
            self.say(" ".join(line.split()))

    def draw(self, running: Iterable[int]) -> None:
        """Draw the jobs that run, and how many ended in which state."""
        if self.live is None or time.monotonic() - self._drawn < _EVERY:
            return
        self._drawn = time.monotonic()
        table = Table("#", "overrides", "for", "last measured", caption=self._counts(), caption_justify="left")
        for record in map(self.rows.__getitem__, running):
            seconds = time.time() - (record.started or 0)
            table.add_row(
                str(record.number),
                " ".join(record.sweep_overrides),
                f"{seconds:.0f} s",
                self.newest.get(record.number, "-"),
            )
        self.live.update(table, refresh=True)

    def _counts(self) -> str:
        states = Counter(record.state for record in self.rows.values())
        states["waiting"] = self.total - len(self.rows)
        return ", ".join(f"{count} {state}" for state, count in states.items() if count)
