"""Cosine decay. Source: Loshchilov & Hutter 2017, "SGDR", without its restarts."""

from __future__ import annotations

from math import cos, pi

from fastrun.components.schedule import Curve
from fastrun.config.constraints import Share


def cosine(steps: int, final: Share = 0.0) -> Curve:
    """Decrease along half a cosine to the factor ``final``.

    The same as :class:`torch.optim.lr_scheduler.CosineAnnealingLR`.

    Args:
        steps: the length of the curve, in optimizer steps.
        final: the last factor of the learning rate, in [0, 1].
    """
    return lambda now: final + (1 - final) * (1 + cos(pi * min(now, steps) / max(1, steps))) / 2
