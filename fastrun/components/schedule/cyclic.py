"""Triangular cycles. Source: Smith 2017, "Cyclical learning rates for training neural networks"."""

from __future__ import annotations

from fastrun.components.schedule import Curve
from fastrun.config.constraints import Count, Share


def cyclic(steps: int, cycles: Count = 4, low: Share = 0.1, decay: Share = 1.0) -> Curve:
    """Rise along a line from the factor ``low`` to 1 and back, ``cycles`` times.

    Each cycle is ``decay`` times as high as the one before; 0.5 is the paper's "triangular2". The same as
    :class:`torch.optim.lr_scheduler.CyclicLR`.

    Args:
        steps: the length of the curve, in optimizer steps.
        cycles: the number of cycles, at least 1.
        low: the factor at the start and the end of each cycle, in [0, 1].
        decay: the ratio of the heights of two cycles in a row, in [0, 1].
    """
    half = max(1.0, steps / cycles / 2)

    def curve(now: int) -> float:
        cycle = int(now / (2 * half))
        height = 1 - abs(now / half - 2 * cycle - 1)
        return low + (1 - low) * height * decay**cycle

    return curve
