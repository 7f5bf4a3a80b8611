"""The terminal of commands that take a while before they print: what it shows meanwhile, and how wide it is."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from fastrun.report.index import Progress

_PATIENCE = 0.5  # seconds before anything is shown
_EVERY = 0.1  # seconds


def terminal_width() -> int | None:
    """Return the characters of a line of the terminal; None where standard output is none."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


@contextmanager
def showing(activity: str) -> Iterator[None]:
    """Show in the terminal what is being done while the block runs; nothing where standard error is no terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(activity):
        yield


@contextmanager
def showing_progress() -> Iterator[Progress | None]:
    """Yield a function that shows how many runs are read, once that takes longer; None where there is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    shown_at = time.monotonic() + _PATIENCE - _EVERY
    was_shown = False

    def show(done: int, total: int) -> None:
        nonlocal shown_at, was_shown
        if time.monotonic() - shown_at >= _EVERY:
            print(f"\rreading {done:,} of {total:,} runs", end="", file=sys.stderr, flush=True)
            shown_at, was_shown = time.monotonic(), True

    try:
        yield show
    finally:
        if was_shown:
            print("\r\x1b[K", end="", file=sys.stderr, flush=True)
