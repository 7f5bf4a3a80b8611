"""Curves that follow another curve at other steps: after a warmup, or over a run of another length."""

from __future__ import annotations

from collections.abc import Callable

from fastrun.components.schedule import Curve, Cycling, Watching


def following(curve: Curve, factor: Curve, place: Callable[[int], int]) -> Curve:
    """Give a function the other methods of a curve: it becomes :class:`Cycling` or :class:`Watching` if the curve is.

    Args:
        curve: the curve.
        factor: the factor of the learning rate at a step, a new function. It is changed.
        place: the step of the curve that gives the momentum at a step.

    Returns:
        ``factor``.
    """
    if isinstance(curve, Cycling):
        cycled = curve.momentum
        vars(factor)["momentum"] = lambda step: cycled(place(step))
    if isinstance(curve, Watching):
        vars(factor).update(judge=curve.judge, state=curve.state, load=curve.load)
    return factor


def resampled(curve: Curve, total_steps: int, steps: int) -> Curve:
    """Return a curve that goes through the whole of another one in more or fewer steps, from its first to its last.

    Args:
        curve: the curve of a run.
        total_steps: the steps of that run.
        steps: the steps to go through it in.
    """
    if steps == total_steps:
        return curve

    def place(step: int) -> int:
        return round(min(1.0, step / max(1, steps - 1)) * (total_steps - 1))

    return following(curve, lambda step: curve(place(step)), place)
