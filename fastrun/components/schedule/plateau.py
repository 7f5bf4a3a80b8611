"""Drops when validations stop improving. Source: :class:`torch.optim.lr_scheduler.ReduceLROnPlateau`."""

from __future__ import annotations

from math import isnan
from typing import Annotated, Any

from fastrun.config.constraints import Natural, NotNegative, Range, Share

Drop = Annotated[float, Range(ge=0, lt=1, advice="0.1 divides the learning rate by ten at each drop")]


class Plateau:
    """A curve that drops after more than ``patience`` validations in a row without an improvement.

    The same as torch's scheduler with ``threshold_mode="abs"``, ``threshold=min_delta``, ``min_lr=least`` times the
    learning rate, ``eps=0`` and no cooldown.

    Args:
        factor: the learning rate is multiplied by this at each drop.
        patience: the number of validations in a row without an improvement that cause no drop.
        min_delta: an improvement must be larger than this, in the metric's unit.
        least: the smallest factor of the learning rate.
    """

    def __init__(
        self, factor: Drop = 0.1, patience: Natural = 2, min_delta: NotNegative = 0.0, least: Share = 0.001
    ) -> None:
        self.factor, self.patience, self.min_delta, self.least = factor, patience, min_delta, least
        self._current = 1.0
        self._best: float | None = None
        self._without = 0  # validations since the last improvement or drop

    def __call__(self, step: int) -> float:
        """Return the factor of the learning rate until the next validation."""
        return self._current

    def judge(self, value: float, higher_is_better: bool) -> None:
        """Take the result of a validation into account, and drop the learning rate if it is time to."""
        if self._improves(value, higher_is_better):
            self._best, self._without = value, 0
            return
        self._without += 1
        if self._without > self.patience:
            self._current, self._without = max(self._current * self.factor, self.least), 0

    def _improves(self, value: float, higher_is_better: bool) -> bool:
        if self._best is None:
            return not isnan(value)
        return value > self._best + self.min_delta if higher_is_better else value < self._best - self.min_delta

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint, as plain values."""
        return {"now": self._current, "best": self._best, "without": self._without}

    def load(self, state: dict[str, Any]) -> None:
        """Continue from the :meth:`state` of a checkpoint."""
        self._current, self._best, self._without = state["now"], state["best"], state["without"]
