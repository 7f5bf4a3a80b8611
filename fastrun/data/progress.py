"""What a person sees while many images are decoded: a bar in a terminal, now and then a line elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_SECONDS = 30.0  # between two lines

log = logging.getLogger("fastrun")


@contextmanager
def progress(doing: str, total: int) -> Iterator[Callable[[int], None]]:
    """Yield what is called with the number of images that were done since the last call."""
    console = terminal()
    if console is None:
        yield Lines(doing, total)
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task(doing, total=total)
        yield lambda count: bar.advance(task, count)


def terminal() -> Console | None:
    """Return the terminal that the run in progress writes to, or stderr where none is; None where it is no terminal."""
    consoles = [getattr(handler, "console", None) for handler in log.handlers]
    console = next((one for one in consoles if isinstance(one, Console)), None) or Console(stderr=True)
    return console if console.is_terminal and not console.quiet else None


class Lines:
    """Logs how far it is, twice a minute."""

    def __init__(self, doing: str, total: int) -> None:
        self.doing, self.total, self.count, self.since = doing, total, 0, perf_counter()

    def __call__(self, count: int) -> None:
        """Count some more."""
        self.count += count
        if perf_counter() - self.since >= _SECONDS and self.count < self.total:
            self.since = perf_counter()
            log.info(f"{self.doing}: {self.count:,} of {self.total:,}")
