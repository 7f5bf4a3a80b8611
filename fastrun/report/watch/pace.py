"""How fast a run goes on at the moment, and how long it will take."""

from __future__ import annotations

from collections import deque

_SECONDS = 60.0  # that the pace is measured over
_LEAST_SECONDS = 3.0  # before them, the pace of training is taken


class Pace:
    """The steps a second of the last minute, validations and checkpoints included."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def add(self, now: float, step: int) -> None:
        """Note the step of a run.

        Args:
            now: the time, in seconds of any clock.
            step: the last step that is known. One before the last noted step means that the run went back.
        """
        if self._seen and step < self._seen[-1][1]:
            self._seen.clear()
        self._seen.append((now, step))
        while now - self._seen[0][0] > _SECONDS:
            self._seen.popleft()

    def steps_per_second(self) -> float | None:
        """Return the pace; None where the run was not seen for long enough, or did not go on."""
        if not self._seen:
            return None
        (begin, first), (end, last) = self._seen[0], self._seen[-1]
        return (last - first) / (end - begin) if end - begin >= _LEAST_SECONDS and last > first else None
