"""The search: candidates climb the ladder of lengths on seeds of its own, and the better half goes on each time."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

from fastrun.study.arms import Arm
from fastrun.study.pins import found_by, leaves_open, pinned
from fastrun.study.race.halving import MOST_SEEDS, Round, Score, affordable, halve, later_walks, next_round
from fastrun.study.request import Request
from fastrun.study.results import FAILED, Outcome, Results
from fastrun.study.rounds import seconds_per_step
from fastrun.study.walks import Walks

_BATCH = 4  # candidates that are let in before the time is looked at again


@dataclass(frozen=True)
class SearchPlan:
    """What the ladders of a search are climbed by, as in :class:`fastrun.study.plan.Plan`."""

    target: Mapping[str, Any]
    base_steps: int
    guesses: Mapping[str, int]
    rungs: Sequence[int]
    seeds: Sequence[int]
    again_seeds: Sequence[int] = ()


class Search:
    """The stage between the pilot and the comparison. What it wants next follows from the results alone.

    Seconds are those of the runs themselves: they decide which candidate goes on, and nothing else.

    Args:
        candidates: the candidates by name, the given run first, with what its pilot found.
        plan: the ladder.
        results: what became of the runs so far.
        most: how many candidates are tried at most, those that fail not counted.
        jobs: how many runs there are at a time.
        seconds: the time of the search; None for any.
    """

    def __init__(
        self,
        candidates: Mapping[str, Arm],
        plan: SearchPlan,
        results: Results,
        *,
        most: int,
        jobs: int,
        seconds: float | None,
    ) -> None:
        self.candidates, self.plan, self.results = candidates, plan, results
        self.most, self.jobs, self.seconds = most, jobs, seconds
        self.walks = Walks(plan, results)
        self._paces: dict[Path, float | None] = {}

    def wanted(self) -> list[Request]:
        """Return the runs to start next; none once there is a winner."""
        field, missing = self._let_in()
        if missing:
            return missing
        now = self.round(field)
        return [] if now.winner else self._missing(now.field, now.seeds)

    def is_alone(self, request: Request) -> bool:
        """Say whether a run measures the machine, and so must not share it."""
        return request == self._first(request.arm) and leaves_open(self.candidates[request.arm].settings)

    def arm(self, request: Request) -> Arm:
        """Return the candidate of a request, with what its first run found."""
        raw = self.candidates[request.arm]
        first = self.results.of(self._first(request.arm))
        if first is None or not (first.path / "config.yaml").is_file():
            return raw
        return pinned(raw, found_by(raw, first))

    @property
    def let_in(self) -> list[str]:
        """Return the candidates that there was time for, as far as is known by now."""
        return self._let_in()[0]

    def round(self, field: Sequence[str] | None = None) -> Round:
        """Return where the search is.

        Args:
            field: the candidates that are in it; None to find out.
        """
        field = self.let_in if field is None else field
        return halve(field, lambda names, seeds: not self._missing(names, seeds), self.score, self._kept)

    def _let_in(self) -> tuple[list[str], list[Request]]:
        """Return the candidates of the first round, for all of which there is time, and the runs that it lacks.

        Those that fail, since their parts do not fit together or do not fit the data, make room for others.
        """
        names, field = list(self.candidates), list[str]()
        while names:
            alive = sum(not self._has_failed(name, 1) for name in field)
            batch = names[: min(max(_BATCH, self.jobs), self.most - alive)]
            if not batch or (field and not self._has_time_for(field, len(batch))):
                break
            field, names = field + batch, names[len(batch) :]
            missing = self._missing(field, 1)
            if missing:
                return field, missing
        return field, []

    def _has_time_for(self, field: list[str], more: int) -> bool:
        if self.seconds is None:
            return True
        spent = self._spent(field, 1)
        walk = spent / len(field)
        return spent + walk * (more + later_walks(len(field) + more, 1)) <= self.seconds

    def _kept(self, field: Sequence[str], seeds: int) -> int:
        """Return how many candidates of a round go on."""
        if self.seconds is None:
            return next_round(len(field), seeds)[0]
        spent, walk = self._spent(self.let_in, seeds), self._spent(field, seeds) / (len(field) * seeds)
        return affordable(len(field), seeds, walk, self.seconds - spent)

    def _spent(self, names: Sequence[str], seeds: int) -> float:
        """Return the time that candidates took with their first seeds."""
        runs = [run for name in names for block in range(seeds) for run in self.walks.runs(name, block)]
        return sum(run.seconds for run in runs) / self.jobs

    def _missing(self, names: Sequence[str], seeds: int) -> list[Request]:
        blocks = range(seeds)
        alive = [name for name in names if not self._has_failed(name, seeds)]
        return [request for name in alive for request in self.walks.missing([name], blocks)]

    def _has_failed(self, name: str, seeds: int) -> bool:
        return any(run.state == FAILED for block in range(seeds) for run in self.walks.runs(name, block))

    def score(self, name: str, seeds: int) -> Score:
        """Return how a candidate did with its first seeds."""
        runs = [run for block in range(seeds) for run in self.walks.runs(name, block)]
        paces = [pace for run in runs if (pace := self._pace(run)) is not None]
        if not paces or self._has_failed(name, seeds):
            return Score(seeds, math.inf, math.inf)
        steps = [self.walks.steps(name, block) for block in range(seeds)]
        times = [math.log(one * median(paces)) for one in steps if one is not None]
        misses = sum(one is None for one in steps)
        return Score(misses, fmean(times) if times else math.inf, self._shortfall(runs))

    def _shortfall(self, runs: Sequence[Outcome]) -> float:
        sign = 1 if self.walks.higher_is_better else -1
        best = max(sign * run.value(self.walks.higher_is_better) for run in runs)
        return max(0.0, sign * float(self.plan.target["value"]) - best)

    def _pace(self, run: Outcome) -> float | None:
        """Return the seconds of a step of a whole run; None where it has none."""
        if run.state == FAILED or not run.summary:
            return None
        if run.path not in self._paces:
            self._paces[run.path] = seconds_per_step(run) or run.seconds_per_step
        return self._paces[run.path]

    def _first(self, name: str) -> Request:
        return self.walks.request(name, 0, self.plan.guesses[name])


def plan_of(
    names: Iterable[str], target: Mapping[str, Any], base_steps: int, guess: int, lowest: int, seed: int, reach: int
) -> SearchPlan:
    """Return what the ladders of a search are climbed by.

    Args:
        names: the candidates.
        target: the target.
        base_steps: the steps of rung 0.
        guess: the rung that every candidate begins with, where the given run reaches the target.
        lowest: the lowest rung.
        seed: the first of the seeds.
        reach: how many rungs above the guess a candidate may need; one that needs more has missed.
    """
    seeds = [seed + number for number in range(MOST_SEEDS)]
    return SearchPlan(target, base_steps, dict.fromkeys(names, guess), [lowest, guess + reach], seeds)
