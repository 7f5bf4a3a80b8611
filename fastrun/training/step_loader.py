"""The dataloaders that Lightning is given: one yields ranges of optimizer steps, the other a single item.

The batches themselves come from the module's own loaders: see :meth:`fastrun.training.module.Training.training_step`.
"""

from __future__ import annotations

from collections.abc import Iterator

from fastrun.training.module import Training

_MANY = 1 << 40  # calls: more than any run takes


class StepLoader:
    """Yields the ranges of optimizer steps that Lightning passes to ``training_step``, from the run's next step on."""

    def __init__(self, module: Training) -> None:
        self.module = module

    def __len__(self) -> int:
        """Return an upper bound of the number of calls; the run ends where the iterator does."""
        return _MANY if self.module.update.budget else max(1, self.module.plan.total_steps - self.module.state.step)

    def __iter__(self) -> Iterator[range]:
        """Yield the steps of each call, which end at the next epoch, validation or checkpoint at the latest.

        A run that had stopped early before it was interrupted takes no more steps.
        """
        plan, step = self.module.plan, self.module.state.step
        had_stopped = self.module.state.stopped is not None
        while step < plan.total_steps and not had_stopped:
            stop = plan.stop_of(step, self.module.tuner.count)
            yield range(step, stop)
            step = stop


class ValidationTrigger:
    """Yields the single item that Lightning passes to ``validation_step``, which measures the whole validation set."""

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[int]:
        """Yield one item."""
        return iter((0,))
