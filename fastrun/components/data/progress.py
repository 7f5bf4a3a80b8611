"""Shows the progress of decoding many images: a bar in a terminal, and elsewhere a log line twice a minute."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_INTERVAL = 30.0  # seconds between two lines

log = logging.getLogger("fastrun")


@contextmanager
def show_progress(activity: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show the progress of an activity while the block runs.

    Args:
        activity: what is being done, such as ``decoding images``.
        total: the number of images.

    Yields:
        A function to call with the number of images that were done since its last call.
    """
    console = find_terminal()
    if console is None:
        yield ProgressLog(activity, total)
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(activity, total=total)
        yield lambda count: bar.advance(task, count)


def find_terminal() -> Console | None:
    """Return the terminal that the current run writes to, or that of stderr without a run; None if there is none."""
    consoles = [getattr(handler, "console", None) for handler in log.handlers]
    console = next((one for one in consoles if isinstance(one, Console)), None) or Console(stderr=True)
    return console if console.is_terminal and not console.quiet else None


class ProgressLog:
    """Logs the progress of an activity twice a minute.

    Args:
        activity: what is being done, such as ``decoding images``.
        total: the number of images.
    """

    def __init__(self, activity: str, total: int) -> None:
        self.activity, self.total, self.count, self.last_line = activity, total, 0, perf_counter()

    def __call__(self, count: int) -> None:
        """Add ``count`` images to those that are done."""
        self.count += count
        if perf_counter() - self.last_line >= _INTERVAL and self.count < self.total:
            self.last_line = perf_counter()
            log.info(f"{self.activity}: {self.count:,} of {self.total:,}")
