"""Cosine decay with warm restarts. Source: Loshchilov & Hutter 2017, "SGDR"."""

from __future__ import annotations

from math import cos, pi
from typing import Annotated

from fastrun.components.schedule import Curve
from fastrun.config.constraints import Range, Share

Cycles = Annotated[int, Range(ge=1, le=1000)]
Ratio = Annotated[int, Range(ge=1, le=100)]


def warm_restarts(steps: int, cycles: Cycles = 3, multiply: Ratio = 2, final: Share = 0.0) -> Curve:
    """Decrease along half a cosine to the factor ``final``, ``cycles`` times.

    Each cycle is ``multiply`` times as long as the one before, and the run ends at the end of the last one. The same as
    :class:`torch.optim.lr_scheduler.CosineAnnealingWarmRestarts`.

    Args:
        steps: the length of the curve, in optimizer steps.
        cycles: the number of cycles, at least 1.
        multiply: the ratio of the lengths of two cycles in a row, at least 1.
        final: the last factor of each cycle, in [0, 1].
    """
    shares = [multiply**cycle for cycle in range(cycles)]
    ends = [round(steps * sum(shares[: cycle + 1]) / sum(shares)) for cycle in range(cycles)]

    def curve(now: int) -> float:
        start = 0
        for end in ends:
            if now < end:
                return final + (1 - final) * (1 + cos(pi * (now - start) / (end - start))) / 2
            start = end
        return final

    return curve
