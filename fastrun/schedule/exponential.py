"""Exponential decay down to a fraction of the rate."""

from __future__ import annotations

from fastrun.errors import ConfigError
from fastrun.schedule import Curve


def exponential(steps: int, final: float = 0.01) -> Curve:
    """Fall by the same factor each step, to ``final`` of the rate at the run's end.

    The same as :class:`torch.optim.lr_scheduler.ExponentialLR` with ``gamma = final ** (1 / steps)``.
    """
    if not 0 < final <= 1:
        raise ConfigError(f"schedule.final={final} is not in (0, 1]")
    gamma = float(final ** (1 / max(1, steps)))
    return lambda now: float(gamma**now)
