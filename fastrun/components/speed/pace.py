"""Notices when the steps of a run take much longer than they did, and says so once."""

from __future__ import annotations

from statistics import median

from fastrun.system.cpu_share import CpuShare

_FACTOR = 4.0  # times as long is much longer
_CALLS = 3  # in a row, so that a single hiccup is no reason
_SETTLED_CALLS = 8  # whose median is the pace where no trial has measured one; the first one is left out
_BUSY_SHARE = 0.8  # of the CPU time: a process that gets less has neighbors


class Pace:
    """The seconds of a step, against those that were measured before the run or in its first calls.

    Args:
        step_seconds: the seconds of a step as the trial measured them, or None.
        threads: the number of threads that compute.
    """

    def __init__(self, step_seconds: float | None, threads: int) -> None:
        self._expected, self._threads = step_seconds, threads
        self._first: list[float] = []
        self._slow_calls = 0
        self._is_told = False
        self._share = CpuShare()

    def update(self, steps: int, seconds: float) -> str | None:
        """Take note of a call, and return the line to show if steps have become slow.

        Args:
            steps: the steps of the call.
            seconds: how long it took, without waiting for data, which no trial measures.
        """
        if self._is_told:
            return None
        pace = seconds / max(1, steps)
        if self._expected is None:
            self._settle(pace)
            return None
        if pace < _FACTOR * self._expected:
            self._slow_calls = 0
            return None
        self._slow_calls += 1
        if self._slow_calls == 1:
            self._share = CpuShare()
        if self._slow_calls < _CALLS:
            return None
        self._is_told = True
        return self._line(pace / self._expected, self._share.share())

    def _settle(self, pace: float) -> None:
        self._first.append(pace)
        if len(self._first) > _SETTLED_CALLS:
            self._expected = median(self._first[1:])

    def _line(self, ratio: float, share: float | None) -> str:
        slow = f"steps take {ratio:.0f} times as long as they did"
        if share is None or share >= _BUSY_SHARE:
            return slow
        fewer = "; a run with speed.threads=1 suffers less from neighbors" if self._threads > 1 else ""
        return f"this machine is busy: {slow}, with {share:.0%} of the CPU time that they could use{fewer}"
