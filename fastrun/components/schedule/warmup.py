"""A linear warmup before a schedule. Source: Goyal et al. 2017, "Accurate, large minibatch SGD"."""

from __future__ import annotations

from fastrun.components.schedule import Curve
from fastrun.components.schedule.resample import following


def after_warmup(curve: Curve, warmup: int) -> Curve:
    """Return a curve that rises along a line to the start of the given one over ``warmup`` steps, then follows it.

    The first step already trains, with ``1 / (warmup + 1)`` of the learning rate. The result is :class:`Cycling` or
    :class:`Watching` if the curve is: momentum stays at its first value during the warmup, and validations count.

    Args:
        curve: the curve of a schedule.
        warmup: the number of steps of the warmup.
    """
    if warmup == 0:
        return curve

    def warmed(step: int) -> float:
        return curve(0) * (step + 1) / (warmup + 1) if step < warmup else curve(step - warmup)

    return following(curve, warmed, lambda step: max(0, step - warmup))
