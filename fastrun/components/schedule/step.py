"""Step decay: drops by a factor at equal distances."""

from __future__ import annotations

from fastrun.components.schedule import Curve
from fastrun.components.schedule.bounds import check_factors
from fastrun.errors import ConfigError


def step(steps: int, drops: int = 2, gamma: float = 0.1) -> Curve:
    """Multiply by ``gamma`` ``drops`` times, at equal distances, as :class:`torch.optim.lr_scheduler.StepLR` does.

    Args:
        steps: the length of the curve, in optimizer steps.
        drops: the number of drops, at least 1.
        gamma: the factor of each drop, in [0, 1].
    """
    if drops < 1:
        raise ConfigError(f"schedule.drops={drops} is too small", "the minimum is 1")
    check_factors(gamma=gamma)
    return lambda now: gamma ** (now * (drops + 1) // max(1, steps))
