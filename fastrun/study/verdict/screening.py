"""Which of many factors have the largest effects, from few runs: a two-level screening design and its main effects.

The design is a Hadamard matrix folded over: every run has an opposite one, in which all that was on is off. Its
resolution is IV: no main effect is mixed up with an interaction of two factors, which heuristics have many of. Without
the second half it would be III, for half the runs. Opposite runs share a seed: what that does to both cancels out of
every main effect.

An effect is one on the log of the time to a target, which is steps times the seconds of a step. The seconds are
measured in every run. The steps are not known where a run misses the target, as most do with half of the heuristics
off. So runs are ranked by their metric, which is always possible: one that diverged or failed is last. The length of
the runs is one more factor of the design. It shows what twice the steps do to the ranks, and by that an effect on ranks
is told in steps. This is a rough measure, good enough to choose by, and no verdict.

Sources: Plackett and Burman, "The design of optimum multifactorial experiments", 1946; Box and Wilson, "On the
experimental attainment of optimum conditions", 1951, for the fold; Conover and Iman, "Rank transformations as a bridge
between parametric and nonparametric statistics", 1981.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastrun.study.verdict.pairs import Vector

Signs = NDArray[np.int64]
LONGER = 2.0  # the ratio of the two lengths


def screening_design(factors: int) -> Signs:
    """Return the runs of a screening design.

    Args:
        factors: how many there are, at least 1.

    Returns:
        1 where a factor is on and -1 where it is off, shape (runs, factors + 1); the last column is the length. Run i
        of the first half is the opposite of run i of the second. There are 32 runs for 8 to 15 factors, 64 for 16 to
        31.
    """
    from scipy.linalg import hadamard

    order = 1 << factors.bit_length()
    half = np.asarray(hadamard(order), dtype=np.int64)[:, : factors + 1]
    return np.vstack([half, -half])


@dataclass(frozen=True)
class Effect:
    """The main effect of a factor, as ratios without / with it: above 1, it makes training faster.

    Attributes:
        steps: of the steps to the target, about.
        seconds: of the seconds a step.
    """

    steps: float
    seconds: float

    @property
    def ratio(self) -> float:
        """Return that of the time to the target."""
        return self.steps * self.seconds

    @property
    def size(self) -> float:
        """Return how large it is, in either direction."""
        return abs(math.log(self.ratio))


def main_effects(signs: Signs, metrics: Sequence[float], seconds: Sequence[float | None]) -> list[Effect]:
    """Return the main effect of each factor.

    Args:
        signs: the design, shape (runs, factors + 1).
        metrics: the metric of each run, larger ones better; minus infinity for a run that diverged or failed.
        seconds: the seconds a step of each run; None where they are not known.
    """
    from scipy.stats import rankdata

    count = len(signs)
    *gained, longer = (2 / count * signs.T @ rankdata(metrics)).tolist()  # mean rank with it, less that without it
    by_chance = math.sqrt((count**2 - 1) / (3 * count))  # the deviation of such a difference where nothing matters
    per_rank = math.log(LONGER) / max(longer, by_chance)
    costs = _seconds_effects(signs, seconds)
    return [
        Effect(math.exp(rank * per_rank), math.exp(-cost))
        for rank, cost in zip(gained, costs[: len(gained)], strict=True)
    ]


def _seconds_effects(signs: Signs, seconds: Sequence[float | None]) -> list[float]:
    """Return the effect of each column on the log of the seconds a step, by least squares over the runs with any."""
    known = [row for row, one in enumerate(seconds) if one is not None]
    logs: Vector = np.log([one for one in seconds if one is not None])
    columns = np.column_stack([np.ones(len(known)), signs[known]])
    found = np.linalg.lstsq(columns, logs, rcond=None)[0]
    return [2 * float(one) for one in found[1:]]


def largest(effects: Sequence[Effect], count: int, always: Sequence[int] = ()) -> list[int]:
    """Return which factors have the largest effects, in the order of the factors.

    Args:
        effects: their effects.
        count: how many.
        always: those that are among them whatever their effect.
    """
    order = sorted(range(len(effects)), key=lambda index: (index not in always, -effects[index].size))
    return sorted(order[: max(count, len(always))])
