"""Linear warmup, before any schedule. Source: Goyal et al. 2017, "Accurate, large minibatch SGD"."""

from __future__ import annotations

from typing import Any

from fastrun.schedule import Curve, Cycling, Watching


def after_warmup(curve: Curve, warmup: int) -> Curve:
    """Return a curve that rises linearly to the given one's start over ``warmup`` steps, then follows it.

    The first step already trains, at ``1 / (warmup + 1)`` of the rate. Momentum waits at where it starts, and
    validations during the warmup count: the result can do what the curve can (``momentum``, ``judge`` …), no more.
    """
    if warmup == 0:
        return curve

    def warmed(step: int) -> float:
        return curve(0) * (step + 1) / (warmup + 1) if step < warmup else curve(step - warmup)

    vars(warmed).update(_more(curve, warmup))
    return warmed


def _more(curve: Curve, warmup: int) -> dict[str, Any]:
    """Return what a curve can do beside giving factors, for steps that count the warmup."""
    more: dict[str, Any] = {}
    if isinstance(curve, Cycling):
        cycled = curve.momentum
        more["momentum"] = lambda step: cycled(max(0, step - warmup))
    if isinstance(curve, Watching):
        more |= {"judge": curve.judge, "state": curve.state, "load": curve.load}
    return more
