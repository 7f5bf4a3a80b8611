"""One cycle up and down. Source: Smith & Topin 2018, "Super-convergence"."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, pi

from fastrun.components.schedule import Curve
from fastrun.components.schedule.length import Duration
from fastrun.config.constraints import BelowOne, Share
from fastrun.errors import ConfigError


@dataclass(frozen=True)
class Cycle:
    """A curve that also cycles the momentum.

    Attributes:
        factor: the factor of the learning rate.
        momentum: the momentum itself.
    """

    factor: Curve
    momentum: Curve

    def __call__(self, step: int) -> float:
        """Return the factor of the learning rate at a step."""
        return self.factor(step)


def onecycle(
    steps: int,
    rise: Duration = 0.3,
    start: Share = 0.04,
    final: Share = 4e-6,
    momentum: tuple[BelowOne, BelowOne] | None = None,
) -> Curve:
    """Rise along half a cosine from the factor ``start`` to 1 over ``rise`` of the run, then fall to ``final``.

    The same as :class:`torch.optim.lr_scheduler.OneCycleLR` with ``div_factor = 1 / start`` and
    ``final_div_factor = start / final``. ``momentum`` holds its ``base_momentum`` and ``max_momentum``: the momentum
    falls from the second to the first while the learning rate rises, and then rises again. None leaves the optimizer's
    momentum unchanged.

    Args:
        steps: the length of the curve, in optimizer steps.
        rise: the duration of the rise.
        start: the first factor, in [0, 1].
        final: the last factor of the learning rate, in [0, 1].
        momentum: the lowest and the highest momentum.
    """
    if not 0 <= rise < 1:
        raise ConfigError(
            f"schedule.rise={rise:g} (of the run) is not in [0, 1)", "the learning rate needs steps to decrease in"
        )
    factor = _there_and_back(steps, rise, start, 1.0, final)
    if momentum is None:
        return factor
    low, high = momentum
    if low > high:
        raise ConfigError(f"schedule.momentum=[{low},{high}] is not ascending", "use for example [0.85,0.95]")
    return Cycle(factor, _there_and_back(steps, rise, high, low, high))


def _there_and_back(steps: int, rise: float, first: float, middle: float, last: float) -> Curve:
    """Return half a cosine from ``first`` to ``middle`` over ``rise`` of the run, then half a cosine to ``last``."""
    top = rise * steps - 1
    rest = max(steps - 1, 1) - max(top, 0) or 1

    def blend(begin: float, end: float, share: float) -> float:
        return end + (begin - end) * (1 + cos(pi * share)) / 2

    def curve(now: int) -> float:
        if top > 0 and now <= top:
            return blend(first, middle, now / top)
        return blend(middle, last, min(1.0, (now - max(top, 0)) / rest))

    return curve
