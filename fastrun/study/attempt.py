"""An attempt at the runs of a study: it takes up what earlier ones left, and goes on to the end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Protocol

from fastrun.config.settings import SweepConfig
from fastrun.errors import Interrupted
from fastrun.study.refusal import noted
from fastrun.study.source import StudySource
from fastrun.sweep.job_server import JobServer
from fastrun.sweep.ledger import Ledger
from fastrun.sweep.live_view import LiveView
from fastrun.sweep.supervisor import Supervisor


class Story(Protocol):
    """What follows what in a study.

    Attributes:
        source: the source of its jobs.
    """

    source: StudySource

    def take_up(self, ledger: Ledger, sweep: SweepConfig, with_failed: bool) -> None:
        """Read what became of the runs of earlier attempts."""
        ...


def run_all(
    story: Story,
    folder: Path,
    sweep: SweepConfig,
    view: LiveView,
    client: JobServer | None,
    word: str = "study",
    *,
    with_failed: bool = False,
) -> None:
    """Run all that is wanted.

    Args:
        story: the study.
        folder: its folder.
        sweep: how many runs there are at a time.
        view: shows them.
        client: a server of jobs that has been started already, or None.
        word: what it is called.
        with_failed: try again what failed.

    Raises:
        FastrunError: nothing can be made of it, which refused.json then says, too.
        Interrupted: a signal stopped it.
    """
    with noted(folder):
        ledger = Ledger.create(story.source.study.runs, story.source, sweep)
        story.take_up(ledger, sweep, with_failed)
        sweep = replace(sweep, jobs=sweep.at_once)  # on Ray, too: what is planned counts on it
        number = 0 if story.source.done else Supervisor(ledger, story.source, sweep, view, client).run()
    if number:
        raise Interrupted(number, f"the {word} is stopped, what ran is saved", f"go on with: fastrun resume {folder}")
