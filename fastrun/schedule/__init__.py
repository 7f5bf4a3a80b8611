"""Learning-rate schedules: each function returns a curve, ``step -> factor`` of the optimizer's learning rate.

``steps`` is the length of the curve in optimizer steps, warmup left out; step 0 is the first one after the warmup.
Arguments that are lengths are shares of the curve here: :mod:`fastrun.schedule.length` makes them of what users write.
A curve is a function of the step alone, so a run resumes at any step with nothing to restore. It may do more: cycle
the momentum (:class:`Cycling`), or watch validations (:class:`Watching`), and only then it has a state to keep.
"""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

Curve = Callable[[int], float]


@runtime_checkable
class Cycling(Protocol):
    """A curve that says the momentum of each step, too: SGD's momentum, or the first beta of Adam and its kin."""

    def momentum(self, step: int) -> float:
        """Return the momentum itself, not a factor."""


@runtime_checkable
class Watching(Protocol):
    """A curve that depends on how the validations go."""

    def judge(self, value: float, higher_is_better: bool) -> None:
        """Take in what a validation measured."""

    def state(self) -> dict[str, Any]:
        """Return what has been seen so far, as plain values, for a checkpoint."""

    def load(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint's :meth:`state`."""
