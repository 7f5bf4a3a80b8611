"""Step decay: drops by a factor at equal distances."""

from __future__ import annotations

from fastrun.components.schedule import Curve
from fastrun.config.constraints import Count, Share


def step(steps: int, drops: Count = 2, gamma: Share = 0.1) -> Curve:
    """Multiply by ``gamma`` ``drops`` times, at equal distances, as :class:`torch.optim.lr_scheduler.StepLR` does.

    Args:
        steps: the length of the curve, in optimizer steps.
        drops: the number of drops, at least 1.
        gamma: the factor of each drop, in [0, 1].
    """
    return lambda now: gamma ** (now * (drops + 1) // max(1, steps))
