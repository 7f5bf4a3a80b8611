"""``study.tune``: the same number of learning rates for every arm, around its own, on a seed that is never scored."""

from __future__ import annotations

from collections.abc import Mapping

from scipy.stats import qmc

from fastrun.study.arms import Arm
from fastrun.study.request import Request
from fastrun.study.results import Results

RANGE = 8.0  # the largest factor of an arm's own rate, and the inverse of the smallest
_SEED = 0  # of the sequence, so that every study and every arm tries the same factors


def factors(count: int) -> list[float]:
    """Return factors of a learning rate, spread evenly over their logarithms by a quasi-random sequence.

    Source: Halton 1960, scrambled after Owen 2017, as scipy has it.

    Args:
        count: how many.
    """
    points = qmc.Halton(1, rng=_SEED).random(count)[:, 0]
    return [float(RANGE ** (2 * point - 1)) for point in points]


class Rates:
    """Tries learning rates for every arm, its own among them.

    Args:
        count: how many rates beside its own.
        arms: the arms by name.
        seed: the seed of all runs.
        steps: their length.
        higher_is_better: whether larger values of the metric are better.
    """

    def __init__(self, count: int, arms: Mapping[str, Arm], seed: int, steps: int, higher_is_better: bool) -> None:
        self.arms, self.seed, self.steps, self.higher_is_better = arms, seed, steps, higher_is_better
        self._factors = [1.0, *factors(count)]

    def requests(self) -> list[Request]:
        """Return all runs of the search."""
        return [request for name in self.arms for request in self._of(name).values()]

    def best(self, name: str, results: Results) -> float | None:
        """Return the best rate of an arm, its own where none is better; None where it has none to change.

        Args:
            name: the arm.
            results: the runs of the search, all of which have ended.
        """
        values = {rate: results.of(request) for rate, request in self._of(name).items()}
        known = {rate: one.value(self.higher_is_better) for rate, one in values.items() if one is not None}
        if not known:
            return None
        sign = 1 if self.higher_is_better else -1
        return max(known, key=lambda rate: (sign * known[rate], rate == self._own(name)))

    def _of(self, name: str) -> dict[float, Request]:
        own = self._own(name)
        if own is None:
            return {}
        rates = [float(f"{own * factor:.6g}") for factor in self._factors]
        return {rate: Request(name, self.seed, self.steps, lr=rate) for rate in rates}

    def _own(self, name: str) -> float | None:
        rate = self.arms[name].settings.optimizer.get("lr")
        return float(rate) if isinstance(rate, (int, float)) else None
