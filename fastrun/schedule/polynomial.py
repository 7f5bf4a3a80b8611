"""Polynomial decay. Source: You et al. 2017, "Large batch training of convolutional networks" (power 2)."""

from __future__ import annotations

from fastrun.errors import ConfigError
from fastrun.schedule import Curve
from fastrun.schedule.bounds import within_one


def polynomial(steps: int, power: float = 2.0, final: float = 0.0) -> Curve:
    """Fall to ``final`` of the rate as a power of what is left of the run.

    The same as :class:`torch.optim.lr_scheduler.PolynomialLR` with ``final=0``.
    """
    within_one(final=final)
    if not 0 < power < float("inf"):
        raise ConfigError(f"schedule.power={power} is not a positive number", "1 is a line, 2 falls faster at first")
    return lambda now: float(final + (1 - final) * (1 - min(now, steps) / max(1, steps)) ** power)
