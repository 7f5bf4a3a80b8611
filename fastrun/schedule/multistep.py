"""Drops at chosen moments. Source: He et al. 2016, "Deep residual learning for image recognition"."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise
from math import ceil

from fastrun.errors import ConfigError
from fastrun.schedule import Curve
from fastrun.schedule.bounds import within_one
from fastrun.schedule.length import Moment


def multistep(steps: int, milestones: tuple[Moment, ...] = (0.5, 0.75), gamma: float = 0.1) -> Curve:
    """Multiply by ``gamma`` at each of the milestones; :class:`torch.optim.lr_scheduler.MultiStepLR`."""
    within_one(gamma=gamma)
    if not milestones:
        raise ConfigError("schedule.milestones=[] names no moment", "use schedule=constant for none")
    if not all(earlier < later for earlier, later in pairwise((0, *milestones, 1))):
        places = ",".join(f"{milestone:.0%}" for milestone in milestones)
        raise ConfigError(
            f"schedule.milestones=[{places}] of the run do not ascend", "write them in order: [0.5,0.75] or [30ep,60ep]"
        )
    marks = [ceil(round(milestone * steps, 6)) for milestone in milestones]  # a share may miss a whole step by a hair
    factors = [gamma**drops for drops in range(len(marks) + 1)]
    return lambda now: factors[bisect_right(marks, now)]
