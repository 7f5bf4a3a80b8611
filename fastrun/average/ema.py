"""An exponential moving average of the weights. Sources: Polyak & Juditsky 1992; Tarvainen & Valpola 2017.

Its warm-up is that of TensorFlow's ExponentialMovingAverage: after n steps at most ``(1 + n) / (10 + n)`` is kept, an
average over the last ninth or so of the steps, until ``decay`` is the smaller of both.
"""

from __future__ import annotations

from fastrun.average.running import Share


def exponential(decay: float, every: int, warmup: bool) -> Share:
    """Return the share of the weights in an average that keeps ``decay`` a step, updated every so many steps.

    An update after ``every`` steps keeps what that many updates would have kept.
    """

    def share(step: int, _: int) -> float:
        if step % every:
            return 0.0
        kept = min(decay, (1 + step) / (10 + step)) if warmup else decay
        return float(1 - kept**every)

    return share
