"""Linear decay. Source: Defazio et al. 2023, "Optimal linear decay learning rate schedules"."""

from __future__ import annotations

from fastrun.components.schedule import Curve
from fastrun.config.constraints import Share


def linear(steps: int, final: Share = 0.0) -> Curve:
    """Decrease along a line from 1 to the factor ``final``.

    ``final`` is reached after the last step, so with ``final=0`` every step still trains. The same as
    :class:`torch.optim.lr_scheduler.LinearLR` with ``start_factor=1``.

    Args:
        steps: the length of the curve, in optimizer steps.
        final: the last factor of the learning rate, in [0, 1].
    """
    return lambda now: 1 - (1 - final) * min(now, steps) / max(1, steps)
