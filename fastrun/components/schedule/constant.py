"""A constant learning rate: the optimizer's own."""

from __future__ import annotations

from fastrun.components.schedule import Curve


def constant(steps: int) -> Curve:
    """Return a curve that is 1 at each step."""
    return lambda now: 1.0
