"""Early stopping after validations without an improvement. Source: Prechelt 1998, "Early stopping: but when?"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastrun.config.monitor import Monitor


class Patience:
    """Counts the validations in a row that do not improve on the best value.

    Args:
        monitor: the metric.
        patience: the number of such validations after which the run ends.
        min_delta: an improvement must be larger than this, in the metric's unit.

    Attributes:
        best: the best value so far; None before the first validation.
        waited: the validations since then.
    """

    def __init__(self, monitor: Monitor, patience: int, min_delta: float) -> None:
        self.monitor, self.patience, self.min_delta = monitor, patience, min_delta
        self.best: float | None = None
        self.waited = 0

    def update(self, value: float) -> bool:
        """Count a validation, and return whether the run should end."""
        if self.best is None or self.monitor.is_better(value, self.best, self.min_delta):
            self.best, self.waited = value, 0
            return False
        self.waited += 1
        return self.waited >= self.patience

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return {"best": self.best, "waited": self.waited}

    def load(self, state: Mapping[str, Any]) -> None:
        """Continue from the :meth:`state` of a checkpoint."""
        self.best, self.waited = state["best"], state["waited"]
