"""Drops where validations stand still. Source: :class:`torch.optim.lr_scheduler.ReduceLROnPlateau`."""

from __future__ import annotations

from math import isnan
from typing import Any

from fastrun.errors import ConfigError
from fastrun.schedule.bounds import within_one


class Plateau:
    """A curve that watches validations: it falls after more than ``patience`` in a row without an improvement.

    Torch's scheduler with ``threshold_mode="abs"``, ``threshold=min_delta``, ``min_lr=least`` times the rate, ``eps=0``
    and no cooldown. Each step has the factor that the validations before it led to.

    Args:
        factor: what the rate is multiplied by at each drop.
        patience: validations in a row without an improvement that are let pass.
        min_delta: what a validation must gain to count as an improvement, in the metric's unit.
        least: the factor of the rate that no drop goes below.
    """

    def __init__(self, factor: float = 0.1, patience: int = 2, min_delta: float = 0.0, least: float = 0.001) -> None:
        within_one(least=least)
        if not 0 <= factor < 1:
            raise ConfigError(f"schedule.factor={factor} is not in [0, 1)", "0.1 is a tenth of the rate at each drop")
        if patience < 0 or not min_delta >= 0:
            raise ConfigError(f"schedule.patience={patience}, schedule.min_delta={min_delta}: both must be at least 0")
        self.factor, self.patience, self.min_delta, self.least = factor, patience, min_delta, least
        self._now = 1.0
        self._best: float | None = None
        self._without = 0  # validations since the last improvement or drop

    def __call__(self, step: int) -> float:
        """Return the factor of the steps until the next validation."""
        return self._now

    def judge(self, value: float, higher_is_better: bool) -> None:
        """Take in what a validation measured, and drop the rate where it has stood still for too long."""
        if self._improves(value, higher_is_better):
            self._best, self._without = value, 0
            return
        self._without += 1
        if self._without > self.patience:
            self._now, self._without = max(self._now * self.factor, self.least), 0

    def _improves(self, value: float, higher_is_better: bool) -> bool:
        if self._best is None:
            return not isnan(value)
        return value > self._best + self.min_delta if higher_is_better else value < self._best - self.min_delta

    def state(self) -> dict[str, Any]:
        """Return the factor, the best value so far, and the validations since."""
        return {"now": self._now, "best": self._best, "without": self._without}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's :meth:`state`."""
        self._now, self._best, self._without = state["now"], state["best"], state["without"]
