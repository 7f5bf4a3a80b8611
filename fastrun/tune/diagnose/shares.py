"""Where the time of a run goes: the seconds of one step, with its part of the validations and of the checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

from fastrun.config.plan import Plan
from fastrun.tune.diagnose.evaluation import Save
from fastrun.tune.diagnose.machine import Flops, Machine
from fastrun.tune.diagnose.steps import Steps


@dataclass(frozen=True)
class Measured:
    """What was measured of a training.

    Attributes:
        steps: its steps.
        plan: how often it validates and saves.
        validation: the seconds of a validation.
        save: the seconds of saving a checkpoint; None where none is saved.
        save_minutes: the minutes between two checkpoints, where these decide and not the plan; else None.
        flops: the floating-point operations of a step; None where they cannot be counted.
        machine: what the machine can do.
        memory: the bytes of memory that the training took: on a GPU the peak, on a CPU what the process grew by.
    """

    steps: Steps
    plan: Plan
    validation: float
    save: Save | None
    save_minutes: float | None
    flops: Flops | None
    machine: Machine
    memory: int

    def costs(self) -> dict[str, float]:
        """Return the seconds of a step, by what they are spent on.

        A validation counts with its part for each step, and so does a checkpoint. Checkpoints of a new best value,
        whose number nobody knows before, are not counted.
        """
        steps = self.steps
        data = steps.waiting * steps.whole
        host = steps.host * (steps.whole - data)
        costs = {"data": data, "host": host, "compute": steps.whole - data - host}
        costs["validation"] = (
            self.validation * ceil(self.plan.total_steps / self.plan.val_every) / self.plan.total_steps
        )
        costs["checkpoint"] = self._saving(sum(costs.values()))
        return costs

    def _saving(self, work: float) -> float:
        """Return the seconds that a step spends on checkpoints.

        Training waits for the copy of the state, and before it for the last checkpoint if that is not written yet.

        Args:
            work: the other seconds of a step.
        """
        if self.save is None:
            return 0.0
        if self.save_minutes:
            steps_between = max(1.0, 60 * self.save_minutes / work)
        else:
            steps_between = self.plan.total_steps / ceil(self.plan.total_steps / self.plan.save_every)
        return max(self.save.blocking, self.save.written - steps_between * work) / steps_between

    def shares(self) -> dict[str, float]:
        """Return the shares of a run's time, by what they are spent on; their sum is 1."""
        costs = self.costs()
        whole = sum(costs.values())
        return {name: seconds / whole for name, seconds in costs.items()}

    @property
    def seconds_per_sample(self) -> float:
        """Return the seconds of training for each sample, with validations and checkpoints."""
        return sum(self.costs().values()) / self.steps.batch

    @property
    def peak_share(self) -> float | None:
        """Return the share of the matrix product's operations a second that a step reaches.

        It is None where not all of the step's operations are counted.
        """
        if self.flops is None or self.flops.uncounted or not self.flops.total:
            return None
        return self.flops.total / self.steps.step / self.machine.flops
