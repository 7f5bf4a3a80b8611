"""The two clocks of a run: the seconds of training itself, and the seconds since the run began."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from fastrun.system import proc

PHASES = ("startup", "compile", "data_wait", "train", "validate", "checkpoint")


def process_start() -> float:
    """Return when this process started, in seconds since the epoch (Linux), or now where that is unknown."""
    ticks, uptime = proc.stat(os.getpid())[1], proc.read("/proc/uptime").split()
    if ticks is None or not uptime:
        return time.time()
    return time.time() - (float(uptime[0]) - ticks / os.sysconf("SC_CLK_TCK"))


class Clock:
    """A stopwatch that is always in one phase; entering another one adds the time so far to the one before.

    The seconds of earlier attempts of the same run are added, so both clocks count across resumes.

    Attributes:
        seconds: the seconds of each phase, without those of the current one since it was entered.
        phase: the current one of ``PHASES``.
        wait_for_device: what waits until the device has done its queued work; None on a CPU.
    """

    def __init__(self, started: float, carried: Mapping[str, float] | None = None) -> None:
        """Start in the phase ``startup``.

        Args:
            started: when that phase began, in seconds since the epoch.
            carried: the seconds of each phase in earlier attempts.
        """
        self.seconds = dict.fromkeys(PHASES, 0.0) | dict(carried or {})
        self.phase = "startup"
        self.wait_for_device: Callable[[], None] | None = None
        self._since = time.perf_counter() - (time.time() - started)

    def carry(self, seconds: Mapping[str, float]) -> None:
        """Add the seconds of each phase in earlier attempts."""
        for phase, amount in seconds.items():
            self.seconds[phase] = self.seconds.get(phase, 0.0) + amount

    def enter(self, phase: str) -> None:
        """Enter a phase. This waits for the device first, so that queued work counts in the phase that queued it."""
        if self.wait_for_device and phase != self.phase:
            self.wait_for_device()
        now = time.perf_counter()
        self.seconds[self.phase] += now - self._since
        self.phase, self._since = phase, now

    @contextmanager
    def within(self, phase: str) -> Iterator[None]:
        """Be in a phase for the time of a block, then return to the one before."""
        before = self.phase
        self.enter(phase)
        try:
            yield
        finally:
            self.enter(before)

    def add_data_wait(self, seconds: float) -> None:
        """Move seconds of the training time to the phase ``data_wait``."""
        self.seconds["train"] -= seconds
        self.seconds["data_wait"] += seconds

    @property
    def train_seconds(self) -> float:
        """Return the seconds of training until now: steps and waiting for data."""
        running = time.perf_counter() - self._since if self.phase == "train" else 0.0
        return self.seconds["train"] + self.seconds["data_wait"] + running

    @property
    def wall_seconds(self) -> float:
        """Return the seconds from the start of the process until now, all phases together."""
        return sum(self.seconds.values()) + time.perf_counter() - self._since

    def state(self) -> dict[str, float]:
        """Return the seconds of every phase until now."""
        self.enter(self.phase)
        return dict(self.seconds)
