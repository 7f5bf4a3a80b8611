"""``checkpoint.every=10min``: saving when a number of minutes has passed since the last save."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic


class SaveTimer:
    """Says when the next save is due.

    Args:
        minutes: the time between two saves; None if none is ever due by time.
        clock: returns seconds.
    """

    def __init__(self, minutes: float | None, clock: Callable[[], float] = monotonic) -> None:
        self.seconds = None if minutes is None else 60 * minutes
        self._clock, self._last_save = clock, clock()

    def restart(self) -> None:
        """Count the time from now on."""
        self._last_save = self._clock()

    def is_due(self) -> bool:
        """Say whether the time since the last save is over."""
        return self.seconds is not None and self._clock() - self._last_save >= self.seconds
