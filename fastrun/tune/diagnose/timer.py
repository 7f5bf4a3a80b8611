"""Timing work that a device may do after the call that queued it has returned."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from time import perf_counter
from typing import Any

import torch


class Timer:
    """Times calls until the device has done their work.

    Args:
        device: the device that works.
        clock: returns seconds.
    """

    def __init__(self, device: torch.device, clock: Callable[[], float] = perf_counter) -> None:
        self._device, self.clock = device, clock

    def synchronize(self) -> None:
        """Wait until the device has done all queued work. The CPU queues none."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)

    def once(self, work: Callable[[], Any]) -> float:
        """Return the seconds of one call."""
        self.synchronize()
        begin = self.clock()
        work()
        self.synchronize()
        return self.clock() - begin

    def per_call(self, work: Callable[[], Any], seconds: float) -> float:
        """Return the seconds of a call, the mean over as many calls as fit into a time; at least one.

        The device is waited for after 1, 2, 4 … calls only, so that it does not run dry between two calls.

        Args:
            work: the call.
            seconds: the time.
        """
        calls, count, spent = 0, 1, 0.0
        while count:
            spent += self.once(lambda: [work() for _ in range(count)])  # noqa: B023 (called at once)
            calls += count
            left = seconds - spent
            count = min(2 * count, ceil(left * calls / max(spent, 1e-9))) if left > 0 else 0
        return spent / calls
