"""Polynomial decay. Source: You et al. 2017, "Large batch training of convolutional networks" (power 2)."""

from __future__ import annotations

from typing import Annotated

from fastrun.components.schedule import Curve
from fastrun.config.constraints import Range, Share

Power = Annotated[float, Range(gt=0, le=100, advice="1 is a line, 2 decreases faster at first")]


def polynomial(steps: int, power: Power = 2.0, final: Share = 0.0) -> Curve:
    """Decrease from 1 to the factor ``final`` as a power of the share of the run that is left.

    The same as :class:`torch.optim.lr_scheduler.PolynomialLR` with ``final=0``.

    Args:
        steps: the length of the curve, in optimizer steps.
        power: above 0; 1 is a line, larger ones decrease faster at first.
        final: the last factor of the learning rate, in [0, 1].
    """
    return lambda now: float(final + (1 - final) * (1 - min(now, steps) / max(1, steps)) ** power)
