"""One triangle, up and down. Source: Jordan 2024, airbench94, after Page 2018, "How to train your ResNet"."""

from __future__ import annotations

from fastrun.errors import ConfigError
from fastrun.schedule import Curve
from fastrun.schedule.bounds import within_one
from fastrun.schedule.length import Length


def triangular(steps: int, start: float = 0.2, rise: Length = 0.23, final: float = 0.07) -> Curve:
    """Rise along a line from ``start`` to all of the rate over the first ``rise`` of the run, then fall to ``final``.

    ``final`` is reached at the run's end, after the last step: with ``rise=0`` and ``final=0`` (airbench94_muon) the
    factor of step ``t`` is ``1 - t / steps``, and no step is lost.
    """
    if not 0 <= rise < 1:
        raise ConfigError(f"schedule.rise={rise:g} (of the run) is not in [0, 1)", "the rate needs steps to fall in")
    within_one(start=start, final=final)
    top = int(rise * steps)

    def curve(now: int) -> float:
        if now < top:
            return start + (1 - start) * now / top
        return 1 - (1 - final) * (min(now, steps) - top) / max(1, steps - top)

    return curve
