"""One cycle up and down. Source: Smith & Topin 2018, "Super-convergence"."""

from __future__ import annotations

from math import cos, pi

from fastrun.errors import ConfigError
from fastrun.schedule import Curve


def onecycle(steps: int, rise: float = 0.3, start: float = 0.04, final: float = 4e-6) -> Curve:
    """Rise along a cosine from ``start`` to all of the rate over the first ``rise`` of the run, then fall to ``final``.

    The same as :class:`torch.optim.lr_scheduler.OneCycleLR` with ``div_factor = 1 / start`` and
    ``final_div_factor = start / final``.
    """
    if not 0 <= rise < 1:
        raise ConfigError(f"schedule.rise={rise} is not in [0, 1)")
    top = rise * steps - 1
    last = max(steps - 1, 1)

    def blend(begin: float, end: float, share: float) -> float:
        return end + (begin - end) * (1 + cos(pi * share)) / 2

    def curve(now: int) -> float:
        if top > 0 and now <= top:
            return blend(start, 1.0, now / top)
        return blend(1.0, final, min(1.0, (now - max(top, 0)) / (last - max(top, 0) or 1)))

    return curve
