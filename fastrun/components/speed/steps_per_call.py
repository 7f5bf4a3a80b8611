"""How many optimizer steps one call of Lightning takes.

Each call costs Lightning 0.4 to 1 ms whatever it does, so short steps share one. The number never changes what is
computed, only how often the training loop can validate, save, show its progress and react to signals.
"""

from __future__ import annotations

import torch

from fastrun.config.settings import SpeedConfig

_CALL_SECONDS = 0.25  # aimed at per call: Lightning's share is below half a percent, and Ctrl-C still reacts quickly
_MAX_STEPS = 512
_AGREEMENTS = 10  # calls until several processes fix the steps per call: each agreement costs a millisecond


class StepsPerCallTuner:
    """Chooses the steps per call from how long they took, unless the config fixes them.

    Args:
        speed: the settings of the group ``speed``.

    Attributes:
        count: the steps of the next call.
        is_fixed: whether ``count`` stays as it is.
    """

    def __init__(self, speed: SpeedConfig) -> None:
        fixed = speed.steps_per_call or int(speed.kind == "plain")
        self.count = fixed or 1
        self.is_fixed = bool(fixed)
        self._agreements = 0

    def update(self, steps: int, seconds: float) -> None:
        """Adapt the count to the duration of a call, at most fourfold at once."""
        if not self.is_fixed:
            fitting = int(_CALL_SECONDS * steps / max(seconds, 1e-9))
            self.count = max(1, min(fitting, 4 * self.count, _MAX_STEPS))

    def agree(self, device: torch.device) -> None:
        """Let all processes take the same number of steps in the next call, and fix the number after some calls.

        Args:
            device: the device of this process.
        """
        if self.is_fixed:
            return
        count = torch.tensor(self.count, device=device)
        torch.distributed.all_reduce(count, torch.distributed.ReduceOp.MIN)
        self.count = int(count)
        self._agreements += 1
        self.is_fixed = self._agreements == _AGREEMENTS
