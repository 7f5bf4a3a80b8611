"""Learning-rate schedules: each function returns a curve, which maps a step to a factor of the learning rate.
Every option has ``warmup``, the length of a linear rise to the curve, and ``on_extend``, what happens to the rate where
a run is resumed with another length: ``continue`` follows the curve of the new length at once, ``rewarm`` goes from the
last rate to that curve along a line, over 5 % of the remaining steps.

``steps`` is the length of the curve in optimizer steps, without the warmup; step 0 is the first one after the warmup.
Arguments that are durations are shares of the curve here; :mod:`fastrun.components.schedule.length` computes them from
what the user writes. A curve depends on the step alone, so a run can resume at any step without restoring anything.
Two kinds of curve can do more: one sets the momentum (:class:`Cycling`), the other one reacts to validations
(:class:`Watching`) and has a state, which a checkpoint keeps.
"""

from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable

Curve = Callable[[int], float]


@runtime_checkable
class Cycling(Protocol):
    """A curve that also sets the momentum of each step: SGD's momentum, or the first beta of Adam and similar ones."""

    def momentum(self, step: int) -> float:
        """Return the momentum of a step; it is not a factor."""


@runtime_checkable
class Watching(Protocol):
    """A curve that depends on the results of validations."""

    def judge(self, value: float, higher_is_better: bool) -> None:
        """Take the result of a validation into account."""

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint, as plain values."""

    def load(self, state: dict[str, Any]) -> None:
        """Continue from the :meth:`state` of a checkpoint."""
