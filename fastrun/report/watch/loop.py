"""Looking at a run or a sweep again and again until it ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from rich.console import Console, RenderableType
from rich.live import Live

_EVERY = 0.5  # seconds between two frames


class Watched(Protocol):
    """What can be watched."""

    @property
    def has_ended(self) -> bool:
        """Say whether it has ended, so that no further frame will differ."""
        ...

    def poll(self) -> None:
        """Read what has changed."""
        ...


def watch(
    watched: Watched,
    frame: Callable[[], RenderableType],
    console: Console,
    once: bool,
    sleep: Callable[[float], None] = time.sleep,
) -> bool:
    """Show frames until what is watched has ended, or until Ctrl-C; the last one stays.

    Args:
        watched: what is watched.
        frame: returns what is to be shown of it.
        console: where. The size of the terminal is looked up for each frame.
        once: show one frame only.
        sleep: waits for so many seconds.

    Returns:
        Whether it has ended.
    """
    watched.poll()
    if not once and not watched.has_ended:
        try:
            with Live(console=console, screen=True, auto_refresh=False) as live:
                while not watched.has_ended:
                    live.update(frame(), refresh=True)
                    sleep(_EVERY)
                    watched.poll()
        except KeyboardInterrupt:
            pass  # ends the watch and not the run, which is in a process group of its own
    console.print(frame())
    return watched.has_ended
