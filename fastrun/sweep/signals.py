"""Ctrl-C and SIGTERM while a sweep runs: they are counted, and the supervisor reacts to the count."""

from __future__ import annotations

import signal
import threading
from types import TracebackType
from typing import Any


class Signals:
    """Counts the signals that ask a sweep to stop, in the main thread; elsewhere Python allows no handlers."""

    def __init__(self) -> None:
        self.number, self.count = 0, 0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        """Install the handlers for SIGINT and SIGTERM."""
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._count) for number in (signal.SIGINT, signal.SIGTERM)}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        """Restore the handlers that were installed before."""
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _count(self, number: int, frame: object) -> None:
        self.number = self.number or number
        self.count += 1
