"""How a study decides."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Rule:
    """The rule of a study; set before the first scored run, and stored with the plan.

    Args:
        confidence: of the claims "faster" and "slower", over all contrasts of the study together.
        equivalence: a ratio within this of 1 is no material difference: from 1 / 1.02 to 1.02.
        most_misses: if a larger share of the blocks has a run that missed the target, no ratio is given, but the shares
            that reached it and the probability of being faster. It counts the blocks in which either arm missed, since
            which test is used must not depend on which of the two it was.
        sequential: the study is looked at after every block, and may stop at any of them.
        cap_steps: a run that missed took at least so many steps; None: longer than any number.
    """

    confidence: float = 0.95
    equivalence: float = 0.02
    most_misses: float = 0.2
    sequential: bool = False
    cap_steps: float | None = None

    @property
    def error(self) -> float:
        """The probability that any claim of the study is false, at most."""
        return round(1 - self.confidence, 12)

    @property
    def error_same(self) -> float:
        """The error of the interval that may show that there is no material difference: `error` on each side."""
        return 2 * self.error

    @property
    def small(self) -> float:
        """The largest log ratio that is no material difference."""
        return math.log1p(self.equivalence)
