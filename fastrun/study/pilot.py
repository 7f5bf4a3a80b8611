"""Before anything counts: runs on seeds of their own, which set the target, the ladder, and what each arm left open."""

from __future__ import annotations

import math
from functools import cached_property
from statistics import median
from typing import Any

from fastrun.errors import ConfigError, FastrunError
from fastrun.study import ladder
from fastrun.study.arms import AGAIN, FULL, Arm, same_arms
from fastrun.study.definition import Definition
from fastrun.study.pins import found_by, leaves_open, pinned
from fastrun.study.rates import Rates
from fastrun.study.request import Request
from fastrun.study.results import DIVERGED, FAILED, Outcome, Results
from fastrun.study.target import Target, choose_target

PILOTS = 3  # seeds that the full run is tried with
_LONGEST = 4  # rung of the full run, four times the recipe's length
_SHORTEST, _FEW_STEPS = -12, 16  # its lowest rung, a 64th of that; not below so many steps
_PILOT_SEED = 1_000_000  # beyond the seed of the run, and beyond the seeds of blocks


class Pilot:
    """The stage before the plan. What it wants next follows from the results alone, so it goes on after any kill.

    Args:
        definition: the study.
        results: what became of the runs so far.
    """

    def __init__(self, definition: Definition, results: Results) -> None:
        self.definition, self.results = definition, results
        self.seeds = [definition.full.settings.seed + _PILOT_SEED + number for number in range(PILOTS)]
        self._names = [name for name in definition.design.arms if name != AGAIN]
        self._pins: dict[str, dict[str, dict[str, Any]]] = {}
        self.same = same_arms({name: definition.design.arms[name] for name in self._names})

    def wanted(self) -> list[Request]:
        """Return the runs to start next; none once the plan can be made.

        Raises:
            FastrunError: the full run cannot be trained, or no study can be made with the target.
        """
        first = Request(FULL, self.seeds[0])
        outcome = self.results.of(first)
        if outcome is None:
            return [first]
        _check_trained(outcome)
        return self._missing(self._base_requests()) or self._missing_rungs(None) or self._missing_rates()

    def is_alone(self, request: Request) -> bool:
        """Say whether a run measures the machine, and so must not share it."""
        return request.steps is None and leaves_open(self.definition.design.arms[request.arm].settings)

    def arm(self, request: Request) -> Arm:
        """Return the arm of a request, with what has been found for it by then."""
        raw = self.definition.design.arms[request.arm]
        return raw if request.steps is None else self.pinned_arm(request.arm)

    def pinned_arm(self, name: str) -> Arm:
        """Return an arm with what its first run found, after that."""
        return pinned(self.definition.design.arms[name], self.pins(name))

    def pins(self, name: str) -> dict[str, dict[str, Any]]:
        """Return the groups of an arm that its first run found for itself."""
        if name not in self._pins:
            raw = self.definition.design.arms[name]
            outcome = self.first(self.original(name))
            if outcome is None or not (outcome.path / "config.yaml").is_file():
                return {}
            self._pins[name] = found_by(raw, outcome)
        return self._pins[name]

    def original(self, name: str) -> str:
        """Return the arm whose first run stands for that of an arm: itself, or one that trains the same."""
        return FULL if name == AGAIN else self.same.get(name, name)

    def _base_requests(self) -> list[Request]:
        """Return whole runs at the recipe's own length: the full one with every seed, all other arms with the first."""
        others = [name for name in self._names if name != FULL and name not in self.same]
        return [Request(FULL, seed) for seed in self.seeds] + [Request(name, self.seeds[0]) for name in others]

    def _missing(self, requests: list[Request]) -> list[Request]:
        return [request for request in requests if self.results.of(request) is None]

    def first(self, name: str) -> Outcome | None:
        """Return how the first run of an arm ended; None where it has not, or where the arm is another one."""
        return self.results.of(Request(name, self.seeds[0]))

    @cached_property
    def base_steps(self) -> int:
        """Return the steps of the recipe."""
        outcome = self.first(FULL)
        assert outcome is not None
        return outcome.steps

    @cached_property
    def target(self) -> Target:
        """Return the target, after the runs at the recipe's own length."""
        outcomes = [self.results.of(Request(FULL, seed)) for seed in self.seeds]
        for outcome in outcomes:
            assert outcome is not None
            _check_trained(outcome)
        return choose_target(self.definition.full.settings.target, [one for one in outcomes if one is not None])

    def _known(self, seed: int, lr: float | None) -> tuple[dict[int, float], int | None]:
        """Return what is known of the full run's ladder with a seed, and the rung to run next."""
        known: dict[int, float] = {}
        while True:
            rung = ladder.next_rung(known, self.target.value, self.target.higher_is_better, 0, self._shortest, _LONGEST)
            if rung is None:
                return known, None
            outcome = self.results.of(self._rung_request(seed, rung, lr))
            if outcome is None:
                return known, rung
            known[rung] = outcome.value(self.target.higher_is_better)

    @cached_property
    def _shortest(self) -> int:
        """Return the lowest rung of the pilot: one with some steps, and not too short for the schedule."""
        lengths = {rung: ladder.length(rung, self.base_steps) for rung in range(_SHORTEST, 0)}
        full = self.definition.full
        return next((rung for rung, steps in lengths.items() if steps >= _FEW_STEPS and full.fits(steps)), 0)

    def _rung_request(self, seed: int, rung: int, lr: float | None) -> Request:
        steps = None if rung == 0 and lr is None else ladder.length(rung, self.base_steps)
        return Request(FULL, seed, steps, lr=lr)

    def outcomes(self) -> list[Outcome]:
        """Return the runs of the full run's ladders that have ended, those of the recipe's own length among them."""
        rungs = [(seed, rung) for seed in self.seeds for rung in (0, *self._known(seed, None)[0])]
        requests = [self._rung_request(seed, rung, None) for seed, rung in rungs]
        return [one for request in dict.fromkeys(requests) if (one := self.results.of(request)) is not None]

    def _missing_rungs(self, lr: float | None) -> list[Request]:
        walks = {seed: self._known(seed, lr)[1] for seed in self.seeds}
        return [self._rung_request(seed, rung, lr) for seed, rung in walks.items() if rung is not None]

    def median_steps(self, lr: float | None) -> float:
        """Return the median of the steps that the full run takes to the target.

        Raises:
            ConfigError: it does not get there, or at once.
        """
        answers, best = [], []
        for seed in self.seeds:
            known, _ = self._known(seed, lr)
            steps = ladder.steps_to_target(known, self.target.value, self.target.higher_is_better, self.base_steps)
            answers.append(math.inf if steps is None else steps)
            best += list(known.values())
        steps = median(answers)
        longest, shortest = (ladder.length(rung, self.base_steps) for rung in (_LONGEST, self._shortest))
        self.target.check(steps, self.base_steps, best, longest, shortest)
        return steps

    def walks(self, lr: float | None) -> list[dict[int, float]]:
        """Return the metric of each rung that the full run was tried with, a seed each."""
        return [self._known(seed, lr)[0] for seed in self.seeds]

    @cached_property
    def rates(self) -> Rates:
        """Return the search for a learning rate of every arm."""
        arms = {name: self.pinned_arm(name) for name in self.trained()}
        steps = ladder.length(ladder.nearest_rung(self.median_steps(None), self.base_steps), self.base_steps)
        return Rates(self.definition.config.tune, arms, self.seeds[0], steps, self.target.higher_is_better)

    def _missing_rates(self) -> list[Request]:
        self.median_steps(None)
        if not self.definition.config.tune:
            return []
        missing = self._missing(self.rates.requests())
        return missing or self._missing_rungs(self.tuned(FULL))

    def tuned(self, name: str) -> float | None:
        """Return the learning rate that was found for an arm; None where it keeps its own."""
        return self.rates.best(name, self.results) if self.definition.config.tune else None

    def trained(self) -> list[str]:
        """Return the arms that can be trained, each once."""
        dropped = self.dropped()
        return [name for name in self._names if name not in self.same and name not in dropped]

    def dropped(self) -> dict[str, str]:
        """Return the arms that failed, with their errors. One that diverges stays: it misses the target."""
        failed = {}
        for name in self._names:
            outcome = self.first(self.original(name))
            if outcome is not None and outcome.state == FAILED:
                failed[name] = outcome.error or "it failed"
        return failed


def _check_trained(outcome: Outcome) -> None:
    """Check that the full run can be trained.

    Raises:
        FastrunError: it failed or diverged.
    """
    if outcome.state == FAILED:
        raise FastrunError(f"the full run fails: {outcome.error}", f"its log: {outcome.path / 'output.log'}")
    if outcome.state == DIVERGED:
        hint = "a study compares with a run that trains: lower optimizer.lr, or look with `fastrun find lr`"
        raise ConfigError(f"the full run diverges: {outcome.error}", hint)
