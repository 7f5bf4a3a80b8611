"""Successive halving: how many candidates go on to how many seeds, and which.

Every candidate begins with one seed. The better half goes on to twice as many, and so forth, until two or three are
left that have four seeds or more. All of a round have the same seeds, so that they are compared in pairs.

Source: Karnin, Koren & Somekh 2013, "Almost optimal exploration in multi-armed bandits" (ICML); Jamieson & Talwalkar
2016, "Non-stochastic best arm identification and hyperparameter optimization" (AISTATS).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

FEW, ENOUGH_SEEDS, MOST_SEEDS = 3, 4, 8


@dataclass(frozen=True)
class Score:
    """How a candidate did on the seeds of a round.

    Attributes:
        misses: the seeds on which it did not reach the target.
        log_seconds: the mean of the logarithm of the seconds to the target, over the others; infinite without any.
        shortfall: how far its best metric was from the target, on average; tells those apart that never reached it.
    """

    misses: int
    log_seconds: float
    shortfall: float = 0.0


def rank(scores: Mapping[str, Score]) -> list[str]:
    """Return candidates from the best to the worst: fewer misses go first, then less time; of equal ones the earlier.

    Args:
        scores: the candidates, all with the same seeds.
    """
    order = list(scores)
    key = {name: (one.misses, one.log_seconds, one.shortfall, order.index(name)) for name, one in scores.items()}
    return sorted(scores, key=lambda name: key[name])


@dataclass(frozen=True)
class Round:
    """Where a search is.

    Attributes:
        field: the candidates of the round.
        seeds: how many seeds they have by its end.
        winner: the best one, once the search is over.
    """

    field: Sequence[str]
    seeds: int
    winner: str | None = None


def halve(
    field: Sequence[str],
    is_known: Callable[[Sequence[str], int], bool],
    score: Callable[[str, int], Score],
    kept: Callable[[Sequence[str], int], int] | None = None,
) -> Round:
    """Return the round that candidates are in, or the last one, with the winner.

    Args:
        field: the candidates.
        is_known: says whether the scores of candidates on so many seeds are known.
        score: returns the score of a candidate on so many seeds.
        kept: returns how many candidates of a round go on, less than two of which end the search; None for half.
    """
    seeds = 1
    while is_known(field, seeds):
        order = rank({name: score(name, seeds) for name in field})
        count, more = next_round(len(field), seeds)
        count = min(len(field), count if kept is None else kept(field, seeds))
        if is_over(len(field), seeds) or count < 2:
            return Round(field, seeds, order[0])
        field, seeds = order[:count], more
    return Round(field, seeds)


def is_over(field: int, seeds: int) -> bool:
    """Say whether a round is the last one.

    Args:
        field: how many candidates it has.
        seeds: how many seeds they have by its end.
    """
    return field <= FEW and seeds >= ENOUGH_SEEDS


def next_round(field: int, seeds: int) -> tuple[int, int]:
    """Return the candidates of the round after one, and how many seeds they have by its end."""
    return max(2, (field + 1) // 2), min(MOST_SEEDS, 2 * seeds)


def later_walks(field: int, seeds: int) -> int:
    """Return how often a candidate is trained to the target after a round, in all rounds that follow."""
    return sum(new for _, new in _later_rounds(field, seeds))


def _later_rounds(field: int, seeds: int) -> Iterator[tuple[int, int]]:
    while not is_over(field, seeds):
        before = seeds
        field, seeds = next_round(field, seeds)
        yield field, field * (seeds - before)


def affordable(field: int, seeds: int, walk_seconds: float, seconds: float) -> int:
    """Return how many candidates of a round may go on, so that all rounds that follow fit in the time; 0 for none.

    Args:
        field: how many candidates the round has.
        seeds: how many seeds they have by its end.
        walk_seconds: what it takes to train one to the target with one seed.
        seconds: the time that is left.
    """
    most, more = next_round(field, seeds)
    for kept in range(most, 1, -1):
        if walk_seconds * (kept * (more - seeds) + later_walks(kept, more)) <= seconds:
            return kept
    return 0
