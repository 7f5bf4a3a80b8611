"""The metric that decides which validation of a run is the best. Does not import torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

NAMES = {  # the metrics of a validation of each task beside the loss; the first is the task's default monitor
    "classification": ("acc", "f1", "top5"),
    "language": ("perplexity", "acc"),
    "regression": ("r2", "rmse", "mae"),
}
_LOWER = ("loss", "perplexity", "rmse", "mae")


@dataclass(frozen=True)
class Monitor:
    """A metric that decides on the best checkpoint, early stopping and the target.

    Attributes:
        name: the metric, such as ``val/acc``.
        higher_is_better: whether larger values are better.
    """

    name: str
    higher_is_better: bool

    @classmethod
    def of(cls, name: str) -> Monitor:
        """Return the monitor for a metric such as ``val/acc``; its name says whether larger values are better."""
        return cls(name, name.removeprefix("val/") not in _LOWER)

    def is_better(self, value: float, than: float, by: float = 0.0) -> bool:
        """Say whether a value improves on another one.

        Args:
            value: the new value.
            than: the value to compare with.
            by: the improvement that is not enough yet, in the metric's unit.
        """
        return value > than + by if self.higher_is_better else value < than - by

    def reaches(self, value: float, target: float) -> bool:
        """Say whether a value is as good as a target or better."""
        return value >= target if self.higher_is_better else value <= target


def default_monitor(name: str | None, measured: Iterable[str]) -> Monitor:
    """Return the monitor of a run.

    Args:
        name: the metric that the user chose; None chooses the first metric of the task.
        measured: the names of the metrics that a validation measured, which tell the task.
    """
    if name:
        return Monitor.of(name)
    available = {*measured, "val/loss"}
    candidates = [f"val/{names[0]}" for names in reversed(NAMES.values())]  # accuracy last: texts have one as well
    return Monitor.of(next((candidate for candidate in candidates if candidate in available), "val/loss"))
