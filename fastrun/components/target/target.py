"""Time to target: the first validation that reaches a given value of a metric."""

from __future__ import annotations

from dataclasses import dataclass

from fastrun.config.monitor import Monitor


@dataclass(frozen=True)
class Target:
    """The value that a metric has to reach.

    Attributes:
        monitor: the metric.
        value: the value to reach, in the metric's unit.
        stop: whether the run ends when it is reached.
    """

    monitor: Monitor
    value: float
    stop: bool

    def is_reached(self, value: float) -> bool:
        """Say whether a validation's value is as good as the target or better."""
        return self.monitor.reaches(value, self.value)
