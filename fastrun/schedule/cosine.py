"""Cosine decay. Source: Loshchilov & Hutter 2017, "SGDR", without its restarts."""

from __future__ import annotations

from math import cos, pi

from fastrun.schedule import Curve
from fastrun.schedule.bounds import within_one


def cosine(steps: int, final: float = 0.0) -> Curve:
    """Fall along half a cosine to ``final`` of the rate; :class:`torch.optim.lr_scheduler.CosineAnnealingLR`."""
    within_one(final=final)
    return lambda now: final + (1 - final) * (1 + cos(pi * min(now, steps) / max(1, steps))) / 2
