"""The ladder of lengths: which whole run of an arm to try next, and how many steps it takes to the target.

A schedule that decays gets to its target at its end, however long it is. So a run is not cut off where it gets there:
each rung of the ladder is a whole run, with its schedule fitted to its length. The lengths grow by the square root of 2
from rung to rung; rung 0 has the recipe's own length. An arm takes two or three runs in the usual case: the first is at
a guess, the next is beside it.

The guess is set before the first scored run, and is the same in every block. With the last seed's answer as the guess,
what chance does in one block would go on in the next. Blocks would not be independent, and where metrics are so noisy
that runs of one rung and of the next can hardly be told apart, twice as many claims as promised would be false.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

LOWEST = -6  # an eighth of the recipe's length: a target that is reached there is too easy to measure a ratio by


def length(rung: int, base: float) -> int:
    """Return the optimizer steps of a rung's run.

    Args:
        rung: the rung; each takes the square root of 2 times the steps of the one below.
        base: the steps of rung 0, those of the recipe.
    """
    return max(1, round(base * 2 ** (rung / 2)))


def nearest_rung(steps: float, base: float) -> int:
    """Return the rung whose length is nearest, by ratio, to a number of steps: for a first guess, or for the cap."""
    return round(2 * math.log2(steps / base))


def next_rung(
    known: Mapping[int, float], target: float, higher_is_better: bool, guess: int, lowest: int, highest: int
) -> int | None:
    """Return the rung to run next, or None when the answer is known.

    The answer is a rung that reaches the target above one that does not. From the guess on, the search goes by 1, 3 and
    7 rungs towards it, then halves the gap. Runs are noisy, so metrics need not grow from rung to rung; of several
    such rungs the lowest is taken. A metric that is not a number is a miss.

    Args:
        known: the best metric of each rung that has been run, in one block.
        target: the metric to reach.
        higher_is_better: whether a metric at or above the target reaches it, otherwise at or below.
        guess: the rung to begin with, the same for every block. With the same for every arm, equal arms are treated
            exactly alike; with guesses of their own, arms take fewer runs, and ratios are off by 1 % at most as long
            as the noise of metrics is below half of what a rung changes.
        lowest: the lowest rung. If it reaches the target, there is nothing more to run: the target is too easy.
        highest: the highest rung, the cap. If it misses the target, there is nothing more to run: the arm missed.

    Raises:
        ValueError: there is no rung between lowest and highest.
    """
    if lowest > highest:
        raise ValueError(f"the lowest rung, {lowest}, is above the highest, {highest}")
    guess = min(max(guess, lowest), highest)
    if not known:
        return guess
    answer = lowest_reaching(known, target, higher_is_better)
    if answer is None:
        top = max(known)
        return None if top >= highest else min(highest, guess + stride(top - guess))
    below = max((rung for rung in known if rung < answer), default=None)
    if below is not None:
        return None if answer - below == 1 else (answer + below) // 2
    return None if answer <= lowest else max(lowest, min(answer - 1, guess - stride(guess - answer)))


def stride(gone: int) -> int:
    """Return how far from the guess the next run is, if the search has gone so far from it: 1, 3, 7; before it, 0."""
    return 2 * gone + 1 if gone >= 0 else 0


def lowest_reaching(known: Mapping[int, float], target: float, higher_is_better: bool) -> int | None:
    """Return the lowest rung of those known that reaches the target, or None."""
    return min((rung for rung in known if reaches(known[rung], target, higher_is_better)), default=None)


def reaches(metric: float, target: float, higher_is_better: bool) -> bool:
    """Return whether a metric is at the target or past it; one that is not a number is not."""
    return metric >= target if higher_is_better else metric <= target


def steps_to_target(known: Mapping[int, float], target: float, higher_is_better: bool, base: float) -> float | None:
    """Return the steps that a run needs to reach the target, or None if no rung reached it.

    Between the rung that reached the target and the one below it, the steps are interpolated by the metric, on a log
    scale. Where the one below was not run, or has no finite metric, the steps are those of the rung that reached it.

    Args:
        known: the best metric of each rung that has been run, in one block, until `next_rung` returned None.
        target: the metric to reach.
        higher_is_better: whether a metric at or above the target reaches it, otherwise at or below.
        base: the steps of rung 0.
    """
    answer = lowest_reaching(known, target, higher_is_better)
    if answer is None:
        return None
    below = known.get(answer - 1, math.nan)
    if not (math.isfinite(below) and math.isfinite(known[answer])):
        return float(length(answer, base))
    share = (target - below) / (known[answer] - below)
    short, long = length(answer - 1, base), length(answer, base)
    return float(min(long, short * (long / short) ** share))
