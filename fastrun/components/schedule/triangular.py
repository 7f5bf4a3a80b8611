"""One triangle, up and down. Source: Jordan 2024, airbench94, after Page 2018, "How to train your ResNet"."""

from __future__ import annotations

from fastrun.components.schedule import Curve
from fastrun.components.schedule.length import Duration
from fastrun.config.constraints import Share
from fastrun.errors import ConfigError


def triangular(steps: int, start: Share = 0.2, rise: Duration = 0.23, final: Share = 0.07) -> Curve:
    """Rise along a line from the factor ``start`` to 1 over the share ``rise`` of the run, then fall to ``final``.

    ``final`` is reached after the last step: with ``rise=0`` and ``final=0`` (airbench94_muon), the factor of step
    ``t`` is ``1 - t / steps``, so every step still trains.

    Args:
        steps: the length of the curve, in optimizer steps.
        start: the first factor, in [0, 1].
        rise: the duration of the rise.
        final: the last factor of the learning rate, in [0, 1].
    """
    if not 0 <= rise < 1:
        raise ConfigError(
            f"schedule.rise={rise:g} (of the run) is not in [0, 1)", "the learning rate needs steps to decrease in"
        )
    top = int(rise * steps)

    def curve(now: int) -> float:
        if now < top:
            return start + (1 - start) * now / top
        return 1 - (1 - final) * (min(now, steps) - top) / max(1, steps - top)

    return curve
