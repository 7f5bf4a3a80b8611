"""Where a run stands: everything about it that a checkpoint keeps beside weights and optimizer."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class Tally:
    """Plain values only, so that a checkpoint holds no code."""

    step: int = 0  # optimizer steps done
    samples: int = 0
    best: dict[str, Any] | None = None  # metric, value, step
    last: dict[str, float] = field(default_factory=dict)  # the newest value of everything measured
    target: dict[str, Any] | None = None  # steps, samples, train_seconds, wall_seconds; None: not reached
    stopped: str | None = None  # why the run ended before its last step

    def state(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)

    def load(self, state: dict[str, Any]) -> None:
        """Take over what a checkpoint kept."""
        for name, value in state.items():
            setattr(self, name, value)
