"""Step decay: the rate falls by a factor at even distances."""

from __future__ import annotations

from fastrun.errors import ConfigError
from fastrun.schedule import Curve
from fastrun.schedule.bounds import within_one


def step(steps: int, drops: int = 2, gamma: float = 0.1) -> Curve:
    """Multiply by ``gamma`` ``drops`` times, evenly spread over the run; :class:`torch.optim.lr_scheduler.StepLR`."""
    if drops < 1:
        raise ConfigError(f"schedule.drops={drops} is too small", "the least is 1")
    within_one(gamma=gamma)
    return lambda now: gamma ** (now * (drops + 1) // max(1, steps))
