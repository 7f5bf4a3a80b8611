"""Linear warmup, before any schedule. Source: Goyal et al. 2017, "Accurate, large minibatch SGD"."""

from __future__ import annotations

from fastrun.schedule import Curve


def after_warmup(curve: Curve, warmup: int) -> Curve:
    """Return a curve that rises linearly to the given one's start over ``warmup`` steps, then follows it.

    The first step already trains, at ``1 / (warmup + 1)`` of the rate.
    """
    if warmup == 0:
        return curve
    peak = curve(0)

    def warmed(step: int) -> float:
        return peak * (step + 1) / (warmup + 1) if step < warmup else curve(step - warmup)

    return warmed
