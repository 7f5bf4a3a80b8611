"""Stochastic weight averaging.

Source: Izmailov et al. 2018, "Averaging weights leads to wider optima and better generalization".
"""

from __future__ import annotations

from fastrun.components.ema.running import Share


def snapshots(start: int, every: int, total_steps: int) -> Share:
    """Return the share that the current weights get in an update of a mean of snapshots, all of equal weight.

    Args:
        start: the first step at which a snapshot may be taken.
        every: a snapshot is taken at each multiple of this number of steps, and at the last step.
        total_steps: the steps of the run.
    """

    def share(step: int, updates: int) -> float:
        is_due = step >= start and (step % every == 0 or step == total_steps)
        return 1 / (updates + 1) if is_due else 0.0

    return share
