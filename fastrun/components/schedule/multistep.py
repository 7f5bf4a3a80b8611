"""Drops at given moments. Source: He et al. 2016, "Deep residual learning for image recognition"."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from math import ceil

from fastrun.components.schedule import Curve
from fastrun.components.schedule.length import Moment
from fastrun.config.constraints import Share
from fastrun.errors import ConfigError


def multistep(steps: int, milestones: tuple[Moment, ...] = (0.5, 0.75), gamma: Share = 0.1) -> Curve:
    """Multiply by ``gamma`` at each of the milestones, as :class:`torch.optim.lr_scheduler.MultiStepLR` does.

    Args:
        steps: the length of the curve, in optimizer steps.
        milestones: the moments of the drops, in ascending order.
        gamma: the factor of each drop, in [0, 1].
    """
    if not milestones:
        raise ConfigError("schedule.milestones=[] is empty", "use schedule=constant for a constant learning rate")
    if not all(earlier < later for earlier, later in pairwise((0, *milestones, 1))):
        shares = ",".join(f"{milestone:.0%}" for milestone in milestones)
        raise ConfigError(
            f"schedule.milestones=[{shares}] of the run are not in ascending order",
            "write them in order: [0.5,0.75] or [30ep,60ep]",
        )
    marks = [ceil(round(milestone * steps, 6)) for milestone in milestones]  # rounded, since a share is not exact
    factors = [gamma**drops for drops in range(len(marks) + 1)]
    return lambda now: factors[bisect_right(marks, now)]
