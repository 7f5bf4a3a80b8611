"""Exponential decay: the same factor at each step."""

from __future__ import annotations

from fastrun.components.schedule import Curve
from fastrun.config.constraints import Factor


def exponential(steps: int, final: Factor = 0.01) -> Curve:
    """Multiply the learning rate by the same factor at each step, down to the factor ``final`` at the end of the run.

    The same as :class:`torch.optim.lr_scheduler.ExponentialLR` with ``gamma = final ** (1 / steps)``.

    Args:
        steps: the length of the curve, in optimizer steps.
        final: the last factor of the learning rate, in (0, 1].
    """
    gamma = float(final ** (1 / max(1, steps)))
    return lambda now: float(gamma**now)
