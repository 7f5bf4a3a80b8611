"""Cosine decay. Source: Loshchilov & Hutter 2017, "SGDR", without its restarts."""

from __future__ import annotations

from math import cos, pi

from fastrun.components.schedule import Curve
from fastrun.components.schedule.bounds import check_factors


def cosine(steps: int, final: float = 0.0) -> Curve:
    """Decrease along half a cosine to the factor ``final``.

    The same as :class:`torch.optim.lr_scheduler.CosineAnnealingLR`.

    Args:
        steps: the length of the curve, in optimizer steps.
        final: the last factor of the learning rate, in [0, 1].
    """
    check_factors(final=final)
    return lambda now: final + (1 - final) * (1 + cos(pi * min(now, steps) / max(1, steps))) / 2
