"""Before anything counts: runs on seeds of their own, which set the target, the ladder, and what each arm left open."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, replace
from functools import cached_property
from statistics import median

from fastrun.components.schedule.build import check_early
from fastrun.config.duration import to_steps
from fastrun.errors import ConfigError, FastrunError
from fastrun.study import ladder
from fastrun.study.arms import AGAIN, FULL, Arm, Design, same_arms
from fastrun.study.definition import Definition
from fastrun.study.pins import found_by, leaves_open, pinned
from fastrun.study.plan import Plan, this_machine
from fastrun.study.rates import Rates
from fastrun.study.request import Request
from fastrun.study.results import DIVERGED, FAILED, FINISHED, Outcome, Results
from fastrun.study.settings import StudyConfig
from fastrun.study.target import Target, choose_target
from fastrun.study.verdict.judge import Rule, least_blocks

PILOTS = 3  # seeds that the full run is tried with
_LONGEST = 4  # rung of the full run, four times the recipe's length
_SHORTEST, _FEW_STEPS = -12, 16  # its lowest rung, a 64th of that; not below so many steps
_CAP = 3.0  # times the full run's steps, beyond which a run has missed the target
_LEAST_STEPS = 4  # of a run
PACE_SECONDS, _PACE_LEAST, _PACE_MOST = 1.0, 24, 2000  # of a run that is timed, and its steps
_PILOT_SEED, _AGAIN_SEED = 10_000, 20_000  # beyond the seed of the run, as the seeds of blocks are from 0 on


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
        self._same = same_arms({name: definition.design.arms[name] for name in self._names})

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
        raw = self.definition.design.arms[name]
        outcome = self._first(FULL if name == AGAIN else self._same.get(name, name))
        return pinned(raw, found_by(raw, outcome)) if outcome is not None and outcome.path.is_dir() else raw

    def _base_requests(self) -> list[Request]:
        """Return whole runs at the recipe's own length: the full one with every seed, all other arms with the first."""
        others = [name for name in self._names if name != FULL and name not in self._same]
        return [Request(FULL, seed) for seed in self.seeds] + [Request(name, self.seeds[0]) for name in others]

    def _missing(self, requests: list[Request]) -> list[Request]:
        return [request for request in requests if self.results.of(request) is None]

    def _first(self, name: str) -> Outcome | None:
        return self.results.of(Request(name, self.seeds[0]))

    @cached_property
    def base_steps(self) -> int:
        """Return the steps of the recipe."""
        outcome = self._first(FULL)
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

    @property
    def _shortest(self) -> int:
        """Return the lowest rung of the pilot, which has enough steps to take fewer in."""
        rungs = range(_SHORTEST, 0)
        return next((rung for rung in rungs if ladder.length(rung, self.base_steps) >= _FEW_STEPS), 0)

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

    @cached_property
    def rates(self) -> Rates:
        """Return the search for a learning rate of every arm."""
        arms = {name: self.pinned_arm(name) for name in self._trained()}
        steps = ladder.length(ladder.nearest_rung(self.median_steps(None), self.base_steps), self.base_steps)
        return Rates(self.definition.config.tune, arms, self.seeds[0], steps, self.target.higher_is_better)

    def _missing_rates(self) -> list[Request]:
        self.median_steps(None)
        if not self.definition.config.tune:
            return []
        missing = self._missing(self.rates.requests())
        return missing or self._missing_rungs(self._tuned(FULL))

    def _tuned(self, name: str) -> float | None:
        """Return the learning rate that was found for an arm; None where it keeps its own."""
        return self.rates.best(name, self.results) if self.definition.config.tune else None

    def _trained(self) -> list[str]:
        """Return the arms that can be trained, each once."""
        dropped = self._dropped()
        return [name for name in self._names if name not in self._same and name not in dropped]

    def _dropped(self) -> dict[str, str]:
        """Return the arms that failed, with their errors. One that diverges stays: it misses the target."""
        failed = {}
        for name in self._names:
            outcome = self._first(self._same.get(name, name))
            if outcome is not None and outcome.state == FAILED:
                failed[name] = outcome.error or "it failed"
        return failed

    def plan(self) -> Plan:
        """Return the plan, once no run is wanted any more."""
        dropped, settings = self._dropped(), self.definition.full.settings
        design = self.definition.design.without_arms(list(dropped))
        rates = {name: rate for name in self._trained() if (rate := self._tuned(name)) is not None}
        arms = self._final_arms(design, rates)
        median_steps = self.median_steps(rates.get(FULL))
        guess = ladder.nearest_rung(median_steps, self.base_steps)
        lowest = self.lowest(guess, arms)
        highest = max(lowest, ladder.nearest_rung(_CAP * median_steps, self.base_steps))
        cap = ladder.length(highest, self.base_steps)
        config, seed = self.definition.config, settings.seed
        sequential = config.until == "decided"
        blocks = blocks_of(config, design.claims)
        same = same_arms(arms)
        rule = Rule(equivalence=config.equivalence, sequential=sequential, cap_steps=float(cap))
        pace_steps, freeze = self._pace(arms, lowest, median_steps)
        return Plan(
            arms={name: arm.overrides for name, arm in arms.items()},
            pins={name: self._pins(name) for name in arms},
            rates=rates,
            contrasts=[asdict(contrast) for contrast in design.contrasts],
            same=same,
            same_steps=self._same_steps(design, same),
            dropped=dropped,
            target=self.target.describe(),
            base_steps=self.base_steps,
            rungs=[lowest, highest],
            cap_steps=cap,
            guess=guess,
            seeds=[seed + number for number in range(blocks)],
            again_seeds=[seed + _AGAIN_SEED + number for number in range(blocks)],
            pilot_seeds=self.seeds,
            pace_steps=pace_steps,
            freeze=freeze,
            rule=asdict(rule),
            tuned=bool(config.tune),
            recipe=settings.choices.get("recipe"),
            overrides=self.definition.overrides,
            machine=this_machine(),
            created=time.time(),
        )

    def _pins(self, name: str) -> dict[str, dict[str, object]]:
        raw = self.definition.design.arms[name]
        outcome = self._first(FULL if name == AGAIN else self._same.get(name, name))
        return found_by(raw, outcome) if outcome is not None and outcome.path.is_dir() else {}

    def _final_arms(self, design: Design, rates: dict[str, float]) -> dict[str, Arm]:
        """Return the arms as they are scored: with what was found, and their learning rate."""
        arms = {}
        for name in design.arms:
            rate = rates.get(FULL if name == AGAIN else self._same.get(name, name))
            arms[name] = with_rate(self.pinned_arm(name), rate)
        return arms

    def lowest(self, guess: int, arms: dict[str, Arm]) -> int:
        """Return the lowest rung that is a run: not below a few steps, nor below what a schedule needs."""
        lowest = guess + ladder.LOWEST
        while lowest < guess and not all(fits(arm, ladder.length(lowest, self.base_steps)) for arm in arms.values()):
            lowest += 1
        return lowest

    def _same_steps(self, design: Design, same: dict[str, str]) -> dict[str, str]:
        """Return the arms whose losses were those of an earlier one at every step, with that one's name."""
        exact = {factor.name for factor in self.definition.factors if factor.may_be_exact}
        order, found = list(design.arms), dict[str, str]()
        for contrast in design.contrasts:
            pair = {same.get(name, name) for name in (contrast.arm, contrast.baseline)}
            if contrast.factor not in exact or len(pair) == 1:
                continue
            earlier, later = sorted(pair, key=order.index)
            outcomes = [self._first(earlier), self._first(later)]
            losses = [one.losses() for one in outcomes if one is not None and one.state == FINISHED]
            if len(losses) == 2 and losses[0] == losses[1]:
                found.setdefault(later, earlier)
        return found

    def _pace(self, arms: dict[str, Arm], lowest: int, median_steps: float) -> tuple[int, str]:
        """Return the steps of a run that is timed, and how long a frozen body stays so in it."""
        outcome = self._first(FULL)
        assert outcome is not None
        steps = round(PACE_SECONDS / max(1e-9, outcome.seconds_per_step))
        steps = max(_PACE_LEAST, min(_PACE_MOST, steps))
        while not all(fits(arm, steps) for arm in arms.values()) and steps < ladder.length(lowest, self.base_steps):
            steps *= 2
        transfer = self.definition.full.settings.transfer
        if transfer.kind != "finetune":
            return steps, ""
        frozen = to_steps(
            transfer.freeze,
            steps_per_epoch=round(outcome.steps_per_epoch),
            total_steps=round(median_steps),
            key="transfer.freeze",
        )
        return steps, f"{min(100.0, 100 * frozen / median_steps):.4g}%"


def blocks_of(config: StudyConfig, comparisons: int) -> int:
    """Return the blocks of a study: those that were asked for, else the least that can decide.

    A study that is looked at after every block has half as many more, and uses them only where it needs them.
    """
    sequential = config.until is not None
    least = least_blocks(max(1, comparisons), sequential=sequential)
    return config.blocks or (least + least // 2 if sequential else least)


def with_rate(arm: Arm, rate: float | None) -> Arm:
    """Return an arm with another learning rate; the same where that is None."""
    if rate is None:
        return arm
    overrides = [text for text in arm.overrides if text.partition("=")[0] != "optimizer.lr"]
    settings = replace(arm.settings, optimizer=arm.settings.optimizer | {"lr": rate})
    return Arm(arm.name, [*overrides, f"optimizer.lr={rate:.6g}"], settings)


def fits(arm: Arm, steps: int) -> bool:
    """Say whether a run may be so short."""
    if steps < _LEAST_STEPS:
        return False
    try:
        check_early(arm.settings.schedule, epochs=arm.settings.epochs, total_steps=steps)
    except ConfigError:
        return False
    return True


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
