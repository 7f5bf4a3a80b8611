"""A budget of seconds: the schedule is fitted to the time, and the run ends when the time is over.

Source: Li et al. 2020, "Budgeted training: rethinking deep neural network training under resource constraints": what
matters in a schedule is that it has decayed by the time that training must end.
"""

from __future__ import annotations

from math import ceil


class Budget:
    """Maps the time that a run has spent to the steps of its schedule.

    The clock is read only between two calls of steps. Within a call, each step is expected to take as long as a step of
    the previous call.

    Args:
        seconds: the seconds of training that the run has.
        steps: the steps that the schedule was built for.
    """

    def __init__(self, seconds: float, steps: int) -> None:
        self.seconds, self.steps = seconds, steps
        self._start, self._spent, self._seconds_per_step = 0, 0.0, 0.0

    def begin(self, step: int, spent: float) -> None:
        """Note the step and the seconds spent at the start of a call."""
        self._start, self._spent = step, spent

    def schedule_step(self, step: int) -> int:
        """Return the step of the schedule that applies to a step of the run."""
        spent = self._spent + (step - self._start) * self._seconds_per_step
        return min(self.steps - 1, int(spent / self.seconds * self.steps))

    def end(self, step: int, spent: float) -> int:
        """Note the step and the seconds spent at the end of a call.

        Returns:
            The step at which the budget is expected to be spent; ``step`` itself if it is.
        """
        self._seconds_per_step = (spent - self._spent) / max(1, step - self._start)
        left = self.seconds - spent
        return step if left <= 0 else step + max(1, ceil(left / max(self._seconds_per_step, 1e-9)))
