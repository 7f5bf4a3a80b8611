"""Linear decay. Source: Defazio et al. 2023, "Optimal linear decay learning rate schedules"."""

from __future__ import annotations

from fastrun.schedule import Curve
from fastrun.schedule.bounds import within_one


def linear(steps: int, final: float = 0.0) -> Curve:
    """Fall along a line to ``final`` of the rate; :class:`torch.optim.lr_scheduler.LinearLR` from all of it.

    ``final`` is reached at the run's end, after the last step, so that no step is lost.
    """
    within_one(final=final)
    return lambda now: 1 - (1 - final) * min(now, steps) / max(1, steps)
