"""The neutral schedule: the optimizer's own rate from the first step to the last."""

from __future__ import annotations

from fastrun.schedule import Curve


def constant(steps: int) -> Curve:
    """Return 1 for each step."""
    return lambda now: 1.0
