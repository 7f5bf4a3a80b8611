"""Screening: before a study of many factors, each of them is on in half of some short runs, and off in the others.

The factors with the largest effects are then confirmed, on seeds that had no part in choosing them: so what is claimed
of them is as sure as in a study that had only them from the start.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from random import Random
from typing import Any

from fastrun.config.settings import Settings
from fastrun.errors import ConfigError
from fastrun.study import ladder
from fastrun.study.arms import FULL, Arm, Compose, make_arm, shared_of, without_all, without_shared
from fastrun.study.definition import Definition
from fastrun.study.factors import Factor
from fastrun.study.pilot import Pilot
from fastrun.study.pins import leaves_open, pinned, pins_beside
from fastrun.study.planning import lowest_rung
from fastrun.study.request import Request
from fastrun.study.results import FINISHED, Outcome, Results
from fastrun.study.rounds import seconds_per_step
from fastrun.study.settings import StudyConfig
from fastrun.study.verdict.screening import LONGER, Effect, largest, main_effects, screening_design


def is_screened(config: StudyConfig, factors: Sequence[Factor]) -> bool:
    """Say whether a study begins with a screening.

    Raises:
        ConfigError: it was asked for, and there is nothing to screen out.
    """
    if config.screen and len(factors) <= config.keep:
        message = f"study.screen=true: there are {len(factors)} factors, and study.keep={config.keep} are confirmed"
        raise ConfigError(message, "leave it out, or confirm fewer: study.screen=true study.keep=…")
    return config.screen is not False and len(factors) > config.keep


def screening_arms(compose: Compose, full: Settings, overrides: list[str], factors: Sequence[Factor]) -> dict[str, Arm]:
    """Return the arms of a screening, in the order of its design.

    Args:
        compose: composes a command line.
        full: what the run composes to.
        overrides: the command line of the run.
        factors: what is taken away from it.

    Raises:
        ConfigError: one does not compose; the message says which factors it is without.
    """
    arms, overrides = dict[str, Arm](), without_shared(overrides)
    for number, row in enumerate(screening_design(len(factors)).tolist(), start=1):
        off = [factor for factor, sign in zip(factors, row, strict=False) if sign < 0]
        name = f"screening {number}"
        try:
            arms[name] = make_arm(compose, name, without_all(overrides, off), shared_of(full))
        except ConfigError as error:
            without = ", ".join(factor.name for factor in off)
            hint = "study.screen=false, or name the factors that fit together: study.factors=[…]"
            raise ConfigError(f"{error.message} (it is without {without})", hint) from error
    return arms


class Screening:
    """The stage between the pilot of the full run and that of the factors that are confirmed.

    Args:
        definition: the study.
        pilot: the pilot of the full run, which wants no run any more.
        results: what became of the runs so far.
    """

    def __init__(self, definition: Definition, pilot: Pilot, results: Results) -> None:
        self.definition, self.pilot, self.results = definition, pilot, results
        self.factors = definition.factors
        full, pins = definition.full, pilot.pins(FULL)
        self.arms = {name: pinned(arm, pins_beside(arm, full, pins)) for name, arm in definition.screening.items()}
        self.signs = screening_design(len(self.factors))
        self.requests = self._requests()

    def _requests(self) -> list[Request]:
        """Return all runs, in the order of the design: two opposite ones have the same seed."""
        base = self.pilot.base_steps
        guess = ladder.nearest_rung(self.pilot.median_steps(None), base)
        short = max(guess - 1, lowest_rung(guess, base, self.arms.values()))
        lengths = {-1: ladder.length(short, base), 1: round(LONGER * ladder.length(short, base))}
        first, half = self.pilot.seeds[-1] + 1, len(self.arms) // 2
        rows = enumerate(zip(self.arms, self.signs.tolist(), strict=True))
        return [Request(name, first + number % half, lengths[row[-1]]) for number, (name, row) in rows]

    def wanted(self) -> list[Request]:
        """Return the runs to start next, in an order drawn by chance, so that a busy hour is no factor's."""
        missing = [request for request in self.requests if self.results.of(request) is None]
        Random(self.requests[0].seed).shuffle(missing)
        return missing

    def is_alone(self, request: Request) -> bool:
        """Say whether a run measures the machine, and so must not share it."""
        return leaves_open(self.arms[request.arm].settings)

    def arm(self, request: Request) -> Arm:
        """Return the arm of a request, with what the full run found for itself."""
        return self.arms[request.arm]

    def outcomes(self) -> list[Outcome]:
        """Return how all runs ended, once none is wanted any more, in the order of the design."""
        return [outcome for request in self.requests if (outcome := self.results.of(request)) is not None]

    def effects(self) -> list[Effect]:
        """Return the effect of each factor, once no run is wanted any more."""
        better = self.pilot.target.higher_is_better
        metrics = [one.value(better) if better else -one.value(better) for one in self.outcomes()]
        return main_effects(self.signs, metrics, [_seconds(one) for one in self.outcomes()])

    def kept(self) -> list[Factor]:
        """Return the factors that are confirmed: those with the largest effects, and those of pairs that are named."""
        config = self.definition.config
        paired = {name for pair in config.named_pairs for name in pair}
        always = [index for index, factor in enumerate(self.factors) if factor.is_called(paired)]
        return [self.factors[index] for index in largest(self.effects(), config.keep, always)]

    def describe(self) -> dict[str, Any]:
        """Return what plan.json says of it."""
        kept, names = [factor.name for factor in self.kept()], [factor.name for factor in self.factors]
        effects = {
            name: asdict(effect) | {"ratio": effect.ratio} for name, effect in zip(names, self.effects(), strict=True)
        }
        runs = [
            {
                "arm": request.arm,
                "off": [name for name, sign in zip(names, row, strict=False) if sign < 0],
                "seed": request.seed,
                "steps": request.steps,
                "state": outcome.state,
                "metric": outcome.best if outcome.state == FINISHED else None,
                "seconds": _seconds(outcome),
            }
            for request, row, outcome in zip(self.requests, self.signs.tolist(), self.outcomes(), strict=True)
        ]
        screened_out = [name for name in names if name not in kept]
        return {"kept": kept, "screened_out": screened_out, "effects": effects, "resolution": "IV", "runs": runs}


def _seconds(outcome: Outcome) -> float | None:
    """Return the seconds of a step of a run; None where it has none, as where it did not finish."""
    if outcome.state != FINISHED or not outcome.summary:
        return None
    return seconds_per_step(outcome) or max(1e-9, outcome.seconds_per_step)
