"""Stochastic weight averaging. Source: Izmailov et al. 2018, "Averaging weights leads to wider optima …"."""

from __future__ import annotations

from fastrun.average.running import Share


def snapshots(start: int, every: int, total_steps: int) -> Share:
    """Return the share of the weights in the plain mean of snapshots, that of all others before being the same.

    They are taken at every multiple of ``every`` steps from ``start`` on, and at the last step.
    """

    def share(step: int, updates: int) -> float:
        is_due = step >= start and (step % every == 0 or step == total_steps)
        return 1 / (updates + 1) if is_due else 0.0

    return share
