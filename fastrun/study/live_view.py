"""The display of a study while it runs: the runs that are under way, and where the study is."""

from __future__ import annotations

from collections.abc import Callable

from fastrun.storage.job import JobRecord
from fastrun.sweep.live_view import LiveView

_USUAL = "finished", "diverged"


class StudyView(LiveView):
    """A live table in a terminal; elsewhere a line for each part of the study, and one for each run that fails.

    Args:
        quiet: print nothing.

    Attributes:
        where: returns where the study is, in words.
        on_end: is called after each run.
    """

    def __init__(self, quiet: bool) -> None:
        super().__init__(0, quiet)
        self.where: Callable[[], str] = str
        self.on_end: Callable[[], None] = lambda: None

    def ended(self, record: JobRecord) -> None:
        """Show how a run ended, if not as most do."""
        self.rows[record.number] = record
        if record.state not in _USUAL:
            text = f"{' '.join(record.sweep_overrides)}: {record.state} {record.error or ''}"
            self.say(" ".join(text.split()))
        self.on_end()

    def say_beside(self, text: str) -> None:
        """Print a line where there is no live table that says as much."""
        if self.live is None:
            self.say(text)

    def counts(self) -> str:
        """Return where the study is."""
        return self.where()
