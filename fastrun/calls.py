"""What Lightning takes for the data of a run: ranges of steps for training, a single item for a validation.

The module's feed yields the real batches; see :meth:`fastrun.module.Training.training_step`.
"""

from __future__ import annotations

from collections.abc import Iterator

from fastrun.module import Training

_MANY = 1 << 40


class Calls:
    """What Lightning takes for the training batches: ranges of steps, from where the run stands."""

    def __init__(self, module: Training) -> None:
        self.module = module

    def __len__(self) -> int:
        """Return the most calls there can be, or more: the iterator's end ends the run."""
        return _MANY if self.module.update.budget else max(1, self.module.plan.total_steps - self.module.tally.step)

    def __iter__(self) -> Iterator[range]:
        """Yield the steps of each call, up to the next epoch's end, validation or checkpoint at most.

        There are none for a run that had stopped already when it was broken off.
        """
        plan, step = self.module.plan, self.module.tally.step
        had_stopped = self.module.tally.stopped is not None
        while step < plan.total_steps and not had_stopped:
            stop = plan.stop_of(step, self.module.pace.count)
            yield range(step, stop)
            step = stop


class Once:
    """What Lightning takes for the validation batches: a single one."""

    def __len__(self) -> int:
        return 1

    def __iter__(self) -> Iterator[int]:
        """Yield one item."""
        return iter((0,))
