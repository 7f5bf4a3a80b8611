"""A sweep while it runs: a table that is drawn anew on a terminal, a line a job elsewhere."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable

from rich.console import Console
from rich.live import Live
from rich.table import Table

from fastrun.job import Row

_EVERY = 0.25  # seconds between two drawings


class View:
    """What a user sees of a sweep until it ends."""

    def __init__(self, total: int, quiet: bool = False) -> None:
        self.total = total
        self.rows: dict[int, Row] = {}
        self.newest: dict[int, str] = {}
        self.console = Console(highlight=False, soft_wrap=True, quiet=quiet)
        live = self.console.is_terminal and not quiet
        self.live = Live(console=self.console, auto_refresh=False, transient=True) if live else None
        self._drawn = 0.0

    def __enter__(self) -> View:
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

    def started(self, row: Row) -> None:
        """Show a job that runs now."""
        self.rows[row.number] = row

    def measured(self, row: Row, step: int, metrics: dict[str, float]) -> None:
        """Show what a job measured last."""
        self.newest[row.number] = " ".join(f"{name} {value:.4f}" for name, value in metrics.items())

    def ended(self, row: Row) -> None:
        """Show how a job ended."""
        self.rows[row.number] = row
        said = row.error or self.newest.get(row.number, "")
        line = f"job {row.number} {' '.join(row.own)}: {row.state} in {row.seconds:.1f} s {said}"
        if self.live is None or row.state != "finished":
            self.say(" ".join(line.split()))

    def draw(self, running: Iterable[int]) -> None:
        """Draw the jobs that run, and how many ended in which state."""
        if self.live is None or time.monotonic() - self._drawn < _EVERY:
            return
        self._drawn = time.monotonic()
        table = Table("#", "overrides", "for", "last measured", caption=self._counts(), caption_justify="left")
        for row in map(self.rows.__getitem__, running):
            seconds = time.time() - (row.started or 0)
            table.add_row(str(row.number), " ".join(row.own), f"{seconds:.0f} s", self.newest.get(row.number, "-"))
        self.live.update(table, refresh=True)

    def _counts(self) -> str:
        states = Counter(row.state for row in self.rows.values())
        states["waiting"] = self.total - len(self.rows)
        return ", ".join(f"{count} {state}" for state, count in states.items() if count)
