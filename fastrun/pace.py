"""How many optimizer steps one call of Lightning takes.

A call costs Lightning 0.4 to 1 ms whatever it holds, so short steps share one. The number never changes what is
computed, only how often the loop comes up for air: to validate, save, show progress and look for signals.
"""

from __future__ import annotations

from fastrun.settings import Speed

_CALL_SECONDS = 0.25  # of work a call: Lightning's share is below half a percent, Ctrl-C is noticed at once
_MOST = 512


class Pace:
    """The steps a call, found from how long they took, or fixed."""

    def __init__(self, speed: Speed) -> None:
        fixed = speed.steps_per_call or int(speed.kind == "plain")
        self.count = fixed or 1
        self.fixed = bool(fixed)

    def took(self, steps: int, seconds: float) -> None:
        """Learn from a call: aim at a quarter of a second, growing at most fourfold at once."""
        if not self.fixed:
            wanted = int(_CALL_SECONDS * steps / max(seconds, 1e-9))
            self.count = max(1, min(wanted, 4 * self.count, _MOST))
