"""The steps of a run at which epochs end, and at which it validates and saves a checkpoint."""

from __future__ import annotations

from dataclasses import dataclass

from fastrun.config.duration import to_minutes, to_steps
from fastrun.config.settings import Settings
from fastrun.errors import ConfigError


@dataclass
class Plan:
    """The schedule of a run in optimizer steps, where step ``n`` is the moment after n steps.

    Attributes:
        steps_per_epoch: steps per epoch.
        total_steps: steps of the run; a budget of time changes it while the run goes on.
        val_every: steps between two validations.
        save_every: steps between two checkpoints; 0 for no checkpoints.
        release: the step at which a frozen body begins to train.
    """

    steps_per_epoch: int
    total_steps: int
    val_every: int
    save_every: int
    release: int = 0

    @property
    def epochs(self) -> int:
        """Return the number of epochs, the last of which may be incomplete."""
        return -(-self.total_steps // self.steps_per_epoch)

    def stop_of(self, start: int, count: int) -> int:
        """Return the step at which a call of several steps must end.

        Args:
            start: the step at which the call starts.
            count: the steps that it would take.

        Returns:
            The end: ``start + count``, or the next end of an epoch, validation, checkpoint or release before that.
        """
        marks = [every for every in (self.steps_per_epoch, self.val_every, self.save_every) if every]
        ends = [start - start % every + every for every in marks]
        if start < self.release:
            ends.append(self.release)
        return min(start + count, self.total_steps, *ends)

    def validates(self, step: int) -> bool:
        """Say whether the run validates after ``step`` steps."""
        return step % self.val_every == 0 or step == self.total_steps

    def saves(self, step: int) -> bool:
        """Say whether a checkpoint is due after ``step`` steps."""
        return self.save_every > 0 and (step % self.save_every == 0 or step == self.total_steps)

    def ends_epoch(self, step: int) -> bool:
        """Say whether an epoch is over after ``step`` steps."""
        return step % self.steps_per_epoch == 0 or step == self.total_steps


def total_steps(settings: Settings) -> int | None:
    """Return the optimizer steps of a run; None if its length is given in epochs, or in seconds."""
    stopping = settings.early_stopping
    return stopping.steps if stopping.kind == "budget" and stopping.steps else settings.steps


def make_plan(settings: Settings, steps_per_epoch: int) -> Plan:
    """Return the plan of a run.

    Args:
        settings: the settings of the run.
        steps_per_epoch: optimizer steps per epoch.

    Raises:
        ConfigError: a duration in the settings is not one, or is shorter than a step.
    """
    total = total_steps(settings) or settings.epochs * steps_per_epoch

    def steps_of(duration: str, key: str) -> int:
        steps = to_steps(duration, steps_per_epoch=steps_per_epoch, total_steps=total, key=key)
        if steps < 1:
            raise ConfigError(f"{key}={duration} is less than a step", "write a longer duration, such as 1ep")
        return steps

    save_every = 0
    if settings.checkpoint.kind != "none":
        minutes = to_minutes(settings.checkpoint.every)  # a timer saves then, and the plan saves at the end only
        save_every = total if minutes else steps_of(settings.checkpoint.every, "checkpoint.every")
    freeze, release = settings.transfer.freeze, 0
    if settings.transfer.kind == "finetune":
        release = to_steps(freeze, steps_per_epoch=steps_per_epoch, total_steps=total, key="transfer.freeze")
    return Plan(steps_per_epoch, total, steps_of(settings.val_every, "val_every"), save_every, release)
