"""``find KEY``: short runs with the run's own schedule for values of a number around the one that is set."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from fastrun.components.schedule import Cycling
from fastrun.errors import ConfigError
from fastrun.tune.find.comparison import Candidate, Comparison
from fastrun.tune.find.effort import plan_effort
from fastrun.tune.find.key import Number
from fastrun.tune.find.meter import Meter
from fastrun.tune.find.subject import Subject

_MORE = 2  # values beyond the grid, at each end


@dataclass(frozen=True)
class NumberResult:
    """A suggested value of a number.

    Attributes:
        number: the number, with the value that is set.
        candidates: the values that were tried in short runs, with their losses.
        present: the candidate with the value that is set.
        best: the one with the lowest loss.
        steps: the steps of a short run.
        total_steps: the steps of the run.
    """

    number: Number
    candidates: list[Candidate]
    present: Candidate
    best: Candidate
    steps: int
    total_steps: int

    @property
    def suggestion(self) -> Candidate:
        """Return the best value if its loss is lower than the present one's with every seed, else the present one."""
        return self.best if self.best.beats(self.present) else self.present


def find_value(
    subject: Subject, number: Number, meter: Meter, *, seeds: int | None = None, steps: int | None = None
) -> NumberResult:
    """Suggest a value of a number.

    Args:
        subject: the run.
        number: the number.
        meter: counts the steps.
        seeds: the networks to try each value with; None chooses by the cost of a step.
        steps: the steps of a short run; None chooses by the cost of a step.

    Raises:
        ConfigError: the schedule sets the number itself, or the loss diverges with every value.
    """
    if number.key in ("optimizer.momentum", "optimizer.betas") and isinstance(subject.build_curve(), Cycling):
        raise ConfigError(f"{number.key}: schedule.momentum sets it at each step", "schedule.momentum=null")
    grid = number.grid()
    total = subject.plan.total_steps
    effort = plan_effort(subject.seconds_per_step, total, len(grid), seeds=seeds, steps=steps)
    comparison = Comparison(subject, effort, meter, number.change, number.key)
    comparison.announce(grid)
    for value in grid:
        comparison.measure(value)
    _go_beyond(comparison, number)
    if comparison.best.loss == inf:
        values = f"{comparison.candidates[0].value:g} to {comparison.candidates[-1].value:g}"
        raise ConfigError(
            f"the loss diverges with every {number.key} from {values}", "find lr first, or set a lower optimizer.lr"
        )
    return NumberResult(
        number, comparison.candidates, comparison.measure(number.value), comparison.best, effort.steps, total
    )


def _go_beyond(comparison: Comparison, number: Number) -> None:
    """Try further values while the best one is at an end."""
    for place, up in ((0, False), (-1, True)):
        for _ in range(_MORE):
            end = comparison.candidates[place]
            further = number.beyond(end.value, up=up)
            if comparison.best is not end or end.loss == inf or further is None:
                break
            comparison.measure(further)
