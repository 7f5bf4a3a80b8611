"""The two clocks of a run: what training itself took, and what the wall says."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PHASES = ("startup", "compile", "data_wait", "train", "validate", "checkpoint")


def process_start() -> float:
    """Return when this process started, in seconds since the epoch (Linux), or now where that is not known."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        uptime = float(Path("/proc/uptime").read_text().split()[0])
        return time.time() - (uptime - ticks / os.sysconf("SC_CLK_TCK"))
    except (OSError, ValueError, IndexError):
        return time.time()


class Clock:
    """A stopwatch that is always in one phase; entering another books the time so far to the one before.

    Seconds of earlier attempts of the same run are carried on, so both clocks count across resumes.
    """

    def __init__(self, started: float, carried: Mapping[str, float] | None = None) -> None:
        """Start in phase ``startup``, which began at ``started`` (seconds since the epoch)."""
        self.seconds = dict.fromkeys(PHASES, 0.0) | dict(carried or {})
        self.phase = "startup"
        self.wait_for_device: Callable[[], None] | None = None
        self._since = time.perf_counter() - (time.time() - started)

    def carry(self, seconds: Mapping[str, float]) -> None:
        """Add what earlier attempts took."""
        for phase, amount in seconds.items():
            self.seconds[phase] = self.seconds.get(phase, 0.0) + amount

    def enter(self, phase: str) -> None:
        """Go on in another phase. Waits for the device first, so that queued work counts where it was asked for."""
        if self.wait_for_device and phase != self.phase:
            self.wait_for_device()
        now = time.perf_counter()
        self.seconds[self.phase] += now - self._since
        self.phase, self._since = phase, now

    @contextmanager
    def within(self, phase: str) -> Iterator[None]:
        """Spend a block in a phase, then return to the one before."""
        before = self.phase
        self.enter(phase)
        try:
            yield
        finally:
            self.enter(before)

    def waited(self, seconds: float) -> None:
        """Book part of the training time as waiting for data."""
        self.seconds["train"] -= seconds
        self.seconds["data_wait"] += seconds

    @property
    def train_seconds(self) -> float:
        """Seconds of training until now: steps and waiting for data."""
        running = time.perf_counter() - self._since if self.phase == "train" else 0.0
        return self.seconds["train"] + self.seconds["data_wait"] + running

    @property
    def wall_seconds(self) -> float:
        """Seconds from the start of the process until now, all phases together."""
        return sum(self.seconds.values()) + time.perf_counter() - self._since

    def state(self) -> dict[str, float]:
        """Return the seconds of every phase until now."""
        self.enter(self.phase)
        return dict(self.seconds)
