"""Triangular cycles. Source: Smith 2017, "Cyclical learning rates for training neural networks"."""

from __future__ import annotations

from fastrun.errors import ConfigError
from fastrun.schedule import Curve
from fastrun.schedule.bounds import within_one


def cyclic(steps: int, cycles: int = 4, low: float = 0.1, decay: float = 1.0) -> Curve:
    """Rise from ``low`` of the rate to all of it and back, ``cycles`` times.

    ``decay`` scales each next cycle's height (0.5 is the paper's triangular2);
    :class:`torch.optim.lr_scheduler.CyclicLR`.
    """
    if cycles < 1:
        raise ConfigError(f"schedule.cycles={cycles} is too small", "the least is 1")
    within_one(low=low, decay=decay)
    half = max(1.0, steps / cycles / 2)

    def curve(now: int) -> float:
        cycle = int(now / (2 * half))
        height = 1 - abs(now / half - 2 * cycle - 1)
        return low + (1 - low) * height * decay**cycle

    return curve
