"""What a LightningModule reads of ``self.trainer`` before there is one."""

from __future__ import annotations

from dataclasses import dataclass

from fastrun.config.plan import Plan


@dataclass(frozen=True)
class PlannedTrainer:
    """Stands in for Lightning's Trainer while a network is built and tried out.

    Attributes:
        max_epochs: the epochs of the run.
        estimated_stepping_batches: the optimizer steps of the run.
        num_training_batches: the optimizer steps of an epoch.
        current_epoch: 0.
        global_step: 0.
        sanity_checking: True, as nothing is trained yet.
    """

    max_epochs: int
    estimated_stepping_batches: int
    num_training_batches: int
    current_epoch: int = 0
    global_step: int = 0
    sanity_checking: bool = True

    @classmethod
    def of(cls, plan: Plan) -> PlannedTrainer:
        """Return the stand-in for a run."""
        return cls(plan.epochs, plan.total_steps, plan.steps_per_epoch)

    @property
    def max_steps(self) -> int:
        """Return the optimizer steps of the run."""
        return self.estimated_stepping_batches
