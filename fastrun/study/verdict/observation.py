"""What was measured of one arm in one block."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Observation:
    """One arm in one block: what its run took to get to the target.

    Args:
        steps: optimizer steps to the target, above 0; None if the run missed it: it did not get there within the cap.
        seconds: seconds a step, above 0, measured in this block's round.

    Raises:
        ValueError: a number is not finite or not above 0.
    """

    steps: float | None
    seconds: float

    def __post_init__(self) -> None:
        for name, value in (("steps", self.steps), ("seconds", self.seconds)):
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be finite and above 0, not {value}")
