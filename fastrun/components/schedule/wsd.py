"""Warmup, stable, decay. Source: Hu et al. 2024, "MiniCPM".

The shapes of the decay are those compared by Hägele et al. 2024, "Scaling laws and compute-optimal training beyond
fixed training durations".
"""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi, sqrt
from typing import Literal

from fastrun.components.schedule import Curve
from fastrun.components.schedule.length import Duration
from fastrun.config.constraints import Share
from fastrun.errors import ConfigError

Shape = Literal["linear", "cosine", "1-sqrt"]

_SHAPES: dict[Shape, Callable[[float], float]] = {
    "linear": lambda done: 1 - done,
    "cosine": lambda done: (1 + cos(pi * done)) / 2,
    "1-sqrt": lambda done: 1 - sqrt(done),
}


def wsd(steps: int, decay: Duration = 0.2, shape: Shape = "1-sqrt", final: Share = 0.0) -> Curve:
    """Keep the learning rate constant, then decrease it to the factor ``final`` over the share ``decay`` of the run.

    The decay takes at least one step. ``final`` is reached after the last step of the run.

    Args:
        steps: the length of the curve, in optimizer steps.
        decay: the duration of the decay, at the end of the run.
        shape: the shape of the decay: ``linear``, ``cosine`` or ``1-sqrt``.
        final: the last factor of the learning rate, in [0, 1].
    """
    if not 0 < decay <= 1:
        raise ConfigError(
            f"schedule.decay={decay} is not in (0, 1]", "use schedule=constant for a constant learning rate"
        )
    length = max(1, round(decay * steps))
    falling = _SHAPES[shape]

    def curve(now: int) -> float:
        done = now - (steps - length)
        return 1.0 if done <= 0 else final + (1 - final) * falling(min(1.0, done / length))

    return curve
