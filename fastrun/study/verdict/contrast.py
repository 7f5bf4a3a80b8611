"""Which two arms of a study are compared, and which of them has the heuristic."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = WITHOUT, ADDED, SAME = "without", "added", "same"


@dataclass(frozen=True)
class Contrast:
    """Two arms that are compared.

    A ratio is the time of the side that lacks the heuristic, divided by the time of the side that has it: 1.9 means
    that training takes 1.9 times as long without the heuristic, so the heuristic makes it faster.

    Args:
        factor: the heuristic, such as ``norm``; empty for the A/A.
        kind: ``without``: the arm is the baseline with the heuristic taken away, and lacks it. ``added``: the arm is
            the baseline with the heuristic put in, and has it. ``same``: both arms are equal (A/A), which checks the
            study.
        arm: the name of the arm.
        baseline: the name of the arm beside it, ``full`` or ``plain``.

    Raises:
        ValueError: the kind is unknown.
    """

    factor: str
    kind: str
    arm: str
    baseline: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"a contrast is {WITHOUT}, {ADDED} or {SAME}, not {self.kind!r}")

    @property
    def having(self) -> str:
        """The arm that has the heuristic; the baseline of an A/A."""
        return self.arm if self.kind == ADDED else self.baseline

    @property
    def lacking(self) -> str:
        """The arm that lacks the heuristic; the second run of an A/A."""
        return self.baseline if self.kind == ADDED else self.arm
