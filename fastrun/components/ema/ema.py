"""An exponential moving average of the weights. Sources: Polyak & Juditsky 1992; Tarvainen & Valpola 2017.

The warmup is that of TensorFlow's ExponentialMovingAverage: after n steps, an update keeps at most
``(1 + n) / (10 + n)`` of the average, which is then over about the last ninth of the steps.
"""

from __future__ import annotations

from fastrun.components.ema.running import Share


def exponential(decay: float, every: int, warmup: bool) -> Share:
    """Return the share that the current weights get in an update of an exponential moving average.

    Args:
        decay: the share of the average that each step keeps.
        every: the number of steps between two updates; each keeps as much as that many updates would.
        warmup: whether the first updates keep less.
    """

    def share(step: int, _: int) -> float:
        if step % every:
            return 0.0
        kept = min(decay, (1 + step) / (10 + step)) if warmup else decay
        return float(1 - kept**every)

    return share
