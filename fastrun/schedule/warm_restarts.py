"""Cosine decay with warm restarts. Source: Loshchilov & Hutter 2017, "SGDR"."""

from __future__ import annotations

from math import cos, pi

from fastrun.errors import ConfigError
from fastrun.schedule import Curve
from fastrun.schedule.bounds import within_one


def warm_restarts(steps: int, cycles: int = 3, multiply: int = 2, final: float = 0.0) -> Curve:
    """Fall along half a cosine ``cycles`` times, each cycle ``multiply`` times as long as the one before.

    The lengths fit the run, so that it ends at the end of a cycle;
    :class:`torch.optim.lr_scheduler.CosineAnnealingWarmRestarts`.
    """
    if cycles < 1 or multiply < 1:
        raise ConfigError(f"schedule.cycles={cycles}, schedule.multiply={multiply}: both must be at least 1")
    within_one(final=final)
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
