"""What a run is judged by, told without torch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

NAMES = {  # what a validation of each task measures beside the loss; the first is what the task is judged by
    "classification": ("acc", "f1", "top5"),
    "language": ("perplexity", "acc"),
    "regression": ("r2", "rmse", "mae"),
}
_LOWER = ("loss", "perplexity", "rmse", "mae")


@dataclass(frozen=True)
class Known:
    """A metric that a run can be steered by."""

    name: str
    higher_is_better: bool

    @classmethod
    def of(cls, name: str) -> Known:
        """Return the metric of a name such as ``val/acc``."""
        return cls(name, name.removeprefix("val/") not in _LOWER)

    def better(self, value: float, than: float, by: float = 0.0) -> bool:
        """Say whether a value improves on another by more than ``by``."""
        return value > than + by if self.higher_is_better else value < than - by

    def reaches(self, value: float, target: float) -> bool:
        """Say whether a value is at or past a target."""
        return value >= target if self.higher_is_better else value <= target


def judged(name: str | None, measured: Iterable[str]) -> Known:
    """Return a metric by name or, where it is None, what the task is judged by, told from what was measured."""
    there = {*measured, "val/loss"}
    firsts = [f"val/{names[0]}" for names in reversed(NAMES.values())]  # texts have an accuracy as well
    return Known.of(name or next((first for first in firsts if first in there), "val/loss"))
