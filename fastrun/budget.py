"""A run that has so many seconds: its schedule is fitted to the time, and the time ends it.

Source: Li et al. 2020, "Budgeted training: rethinking deep neural network training under resource constraints": what
matters of a schedule is that it has decayed by the time that training must end.
"""

from __future__ import annotations

from math import ceil


class Budget:
    """Seconds of training, and which step of a schedule made for ``steps`` steps each moment of them stands for.

    The clock is read between two calls only; within one, steps are taken to last as long as those of the call before.
    """

    def __init__(self, seconds: float, steps: int) -> None:
        self.seconds, self.steps = seconds, steps
        self._start, self._spent, self._each = 0, 0.0, 0.0

    def begin(self, step: int, spent: float) -> None:
        """Note what has been spent where a call starts."""
        self._start, self._spent = step, spent

    def place(self, step: int) -> int:
        """Return the schedule's step for a step of the run."""
        spent = self._spent + (step - self._start) * self._each
        return min(self.steps - 1, int(spent / self.seconds * self.steps))

    def end(self, step: int, spent: float) -> int:
        """Note what has been spent where a call ends; return the step at which the budget will be, or is."""
        self._each = (spent - self._spent) / max(1, step - self._start)
        left = self.seconds - spent
        return step if left <= 0 else step + max(1, ceil(left / max(self._each, 1e-9)))
