"""Counts the steps of a search, reports how far it is, and ends it when its time is over."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from fastrun.errors import UsageError

Progress = Callable[[str, int, int], None]  # called with what is under way, the steps done, and those expected in all


class Meter:
    """Counts steps.

    Args:
        progress: is told of each step.
        seconds: the time after which the search ends without a result; None for no limit.
        clock: returns seconds.
    """

    def __init__(
        self, progress: Progress | None = None, seconds: float | None = None, clock: Callable[[], float] = monotonic
    ) -> None:
        self._progress, self._seconds, self._clock = progress, seconds, clock
        self._begin, self._what, self._done, self._expected = clock(), "", 0, 0

    def expect(self, steps: int) -> None:
        """Add steps to those that are expected; a negative number takes some back."""
        self._expected += steps

    def begin(self, what: str) -> None:
        """Say what is under way from now on."""
        self._what = what

    def step(self, count: int = 1) -> None:
        """Count steps that have been taken.

        Raises:
            UsageError: the time is over.
        """
        self._done += count
        if self._progress is not None:
            self._progress(self._what, self._done, self._expected)
        if self._seconds is not None and self._clock() - self._begin > self._seconds:
            raise UsageError(
                f"{self._seconds:g} seconds are over after {self._done} of about {self._expected} steps",
                "a larger --seconds, or fewer --steps or --seeds",
            )
