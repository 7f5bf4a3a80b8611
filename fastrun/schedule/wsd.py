"""Warmup, stable, decay. Source: Hu et al. 2024, "MiniCPM".

The shapes of the decay are those compared by Hägele et al. 2024, "Scaling laws and compute-optimal training beyond
fixed training durations".
"""

from __future__ import annotations

from collections.abc import Callable
from math import cos, pi, sqrt
from typing import Literal

from fastrun.errors import ConfigError
from fastrun.schedule import Curve
from fastrun.schedule.bounds import within_one
from fastrun.schedule.length import Length

Shape = Literal["linear", "cosine", "1-sqrt"]

_SHAPES: dict[Shape, Callable[[float], float]] = {
    "linear": lambda done: 1 - done,
    "cosine": lambda done: (1 + cos(pi * done)) / 2,
    "1-sqrt": lambda done: 1 - sqrt(done),
}


def wsd(steps: int, decay: Length = 0.2, shape: Shape = "1-sqrt", final: float = 0.0) -> Curve:
    """Keep the rate until the last ``decay`` of the run, then fall to ``final`` of it in the given shape.

    The decay takes one step at least; ``final`` is reached at the run's end, after the last step.
    """
    within_one(final=final)
    if not 0 < decay <= 1:
        raise ConfigError(f"schedule.decay={decay} is not in (0, 1]", "use schedule=constant for no decay")
    length = max(1, round(decay * steps))
    falling = _SHAPES[shape]

    def curve(now: int) -> float:
        done = now - (steps - length)
        return 1.0 if done <= 0 else final + (1 - final) * falling(min(1.0, done / length))

    return curve
