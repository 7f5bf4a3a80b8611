"""The blocks of a contrast as pairs: one log ratio of seconds to the target each."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastrun.study.verdict.contrast import Contrast
from fastrun.study.verdict.observation import Observation

Vector = NDArray[np.float64]
Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Pairs:
    """The blocks in which both arms of a contrast ran.

    A difference is the log of the seconds to the target of the side that lacks the heuristic, less that of the side
    that has it. It is known exactly where both runs reached the target. Where one missed, only a bound is known; the
    other is infinite. Where both missed, nothing is known of it, and the block has no difference: leaving such blocks
    out keeps the tests exact, since with equal arms they are the same either way round.

    Args:
        low: what each difference is at least, shape (blocks with a difference,), in the order of the blocks.
        high: what it is at most, of the same shape.
        steps: the ratio of steps of each of these blocks; infinite or 0 where a side missed.
        seconds: the ratio of seconds a step of each block, shape (blocks,).
        reached: the share of blocks in which the arm reached the target; 0 without blocks.
        reached_baseline: the same of its baseline.
        missed: the share of blocks in which at least one of the two missed.
    """

    low: Vector
    high: Vector
    steps: Vector
    seconds: Vector
    reached: float
    reached_baseline: float
    missed: float

    @property
    def blocks(self) -> int:
        """How many blocks there are, those in which both missed included."""
        return len(self.seconds)

    @property
    def exact(self) -> NDArray[np.bool_]:
        """Which of the differences are of two runs that reached the target."""
        return np.isfinite(self.low) & np.isfinite(self.high)

    @property
    def wins(self) -> int:
        """In how many blocks the side with the heuristic is faster."""
        return int((self.low > 0).sum())

    @property
    def losses(self) -> int:
        """In how many blocks it is slower."""
        return int((self.high < 0).sum())

    @property
    def probability_faster(self) -> float:
        """The share of blocks in which the side with the heuristic is faster; a tie counts half; 0.5 without blocks."""
        return 0.5 + (self.wins - self.losses) / (2 * self.blocks) if self.blocks else 0.5


def pair_up(blocks: Sequence[Mapping[str, Observation]], contrast: Contrast, cap_steps: float | None) -> Pairs:
    """Return the pairs of a contrast, from the blocks in which both of its arms ran.

    Args:
        blocks: what each arm took, by its name, a block each.
        contrast: the two arms.
        cap_steps: a run that missed took at least so many steps; None: longer than any number.
    """
    cap = math.inf if cap_steps is None else cap_steps
    both = [block for block in blocks if contrast.arm in block and contrast.baseline in block]
    sides = [(block[contrast.lacking], block[contrast.having]) for block in both]
    known = [pair for pair in sides if any(side.steps is not None for side in pair)]
    return Pairs(
        low=vector(difference(*pair, cap, math.inf) for pair in known),
        high=vector(difference(*pair, math.inf, cap) for pair in known),
        steps=vector(steps(lacking, math.inf) / steps(having, math.inf) for lacking, having in known),
        seconds=vector(lacking.seconds / having.seconds for lacking, having in sides),
        reached=share(block[contrast.arm].steps is not None for block in both),
        reached_baseline=share(block[contrast.baseline].steps is not None for block in both),
        missed=share(any(side.steps is None for side in pair) for pair in sides),
    )


def difference(lacking: Observation, having: Observation, lacking_miss: float, having_miss: float) -> float:
    """Return the log ratio of the seconds of two runs, given the steps to count for each of them if it missed."""
    # Two logs rather than the log of a ratio: swapping the runs changes the sign and no other bit.
    return math.log(steps(lacking, lacking_miss) * lacking.seconds) - math.log(
        steps(having, having_miss) * having.seconds
    )


def steps(observation: Observation, miss: float) -> float:
    """Return the steps to the target, or those to count for a miss."""
    return miss if observation.steps is None else observation.steps


def vector(values: Iterable[float]) -> Vector:
    """Return numbers as a vector."""
    return np.fromiter(values, dtype=np.float64)


def share(flags: Iterable[bool]) -> float:
    """Return the share of flags that are set; 0 without flags."""
    values = list(flags)
    return sum(values) / len(values) if values else 0.0
