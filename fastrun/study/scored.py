"""After the plan: the ladders of every block, the rounds for seconds, and when it is enough."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fastrun.config.duration import to_seconds
from fastrun.errors import ConfigError, FastrunError
from fastrun.study.arms import AGAIN, FULL, Arm
from fastrun.study.definition import Definition
from fastrun.study.pins import pinned
from fastrun.study.plan import Plan
from fastrun.study.request import PACE, Request
from fastrun.study.results import Results
from fastrun.study.rounds import Rounds
from fastrun.study.verdict.contrast import SAME, Contrast
from fastrun.study.verdict.observation import Observation
from fastrun.study.verdict.sequential import FUTILE, OPEN, progress
from fastrun.study.walks import Walks


@dataclass
class Budget:
    """The time of a study.

    Attributes:
        seconds: what it may take; None for any time.
        spent: returns what it has taken so far.
    """

    seconds: float | None
    spent: Callable[[], float]

    def allows(self, more: float) -> bool:
        """Say whether there is time for so many seconds more."""
        return self.seconds is None or self.spent() + more <= self.seconds


class Scored:
    """The stage after the plan. What it wants next follows from the results, and with a budget from the time.

    Args:
        definition: the study.
        plan: its plan.
        results: what became of the runs so far.
        spent: returns the seconds that the study has taken.
        purpose: what tells its rounds from others of the same study.
    """

    def __init__(
        self, definition: Definition, plan: Plan, results: Results, spent: Callable[[], float], purpose: str = ""
    ) -> None:
        self.definition, self.plan, self.results = definition, plan, results
        budget = definition.config.budget
        self.budget = Budget(None if budget is None else to_seconds(budget, "study.budget"), spent)
        self.walks = Walks(plan, results)
        self.rounds = Rounds(plan, self.walks, results, purpose=purpose)
        self.arms = {name: _final(definition, plan, name) for name in plan.arms}
        self.stopped = ""  # why no further block is started, in words
        self._is_interleaved = plan.decision_rule.sequential
        self._jobs = definition.full.settings.sweep.at_once
        self._started = 0 if budget else len(plan.seeds)  # blocks that may run

    def wanted(self) -> list[Request]:
        """Return the runs to start next; none at the end of the study.

        Raises:
            FastrunError: the full run fails, which every other arm is compared with.
        """
        if FULL in self.failed:
            raise FastrunError(f"the full run fails: {self.failed[FULL]}", "look at its output.log in runs/")
        if self._is_interleaved:
            return self._wanted_in_turns()
        missing = self._missing_ladders()
        return missing or self._missing_rounds(self.blocks)

    def is_alone(self, request: Request) -> bool:
        """Say whether a run is timed, and so must not share the machine."""
        return request.kind == PACE

    def arm(self, request: Request) -> Arm:
        """Return the arm of a request."""
        return self.arms[request.arm]

    @property
    def failed(self) -> dict[str, str]:
        """Return the arms that a run failed of, and those that are the same, with the errors."""
        errors = self.results.failed_arms()
        found = {name: errors[self._original(name)] for name in self.plan.arms if self._original(name) in errors}
        return dict(self.plan.dropped) | found

    @property
    def contrasts(self) -> list[Contrast]:
        """Return the comparisons whose arms can be trained."""
        failed = self.failed
        return [one for one in self.plan.design_contrasts if not {one.arm, one.baseline} & failed.keys()]

    @property
    def blocks(self) -> list[int]:
        """Return the blocks whose ladders are over."""
        climbing = self._climbing(self.contrasts)
        return [
            block for block in range(len(self.plan.seeds)) if all(self.walks.is_over(arm, block) for arm in climbing)
        ]

    def observations(self) -> list[dict[str, Observation]]:
        """Return what every arm took in each block that is over and timed."""
        names = {name for one in self.contrasts for name in (one.arm, one.baseline)}
        found = []
        for block in range(len(self.plan.seeds)):
            full = self.rounds.seconds(FULL, block)
            if full is None:
                continue
            measured = {name: one for name in names if (one := self._observation(name, block, full)) is not None}
            if FULL in measured:
                found.append(measured)
        return found

    def _observation(self, name: str, block: int, otherwise: float) -> Observation | None:
        steps_arm = self._climber(name)
        if not self.walks.is_over(steps_arm, block):
            return None
        arm = self._original(name)
        if self.results.of(self.rounds.request(arm, block)) is None:
            return None
        seconds = self.rounds.seconds(arm, block)
        return Observation(self.walks.steps(steps_arm, block), seconds or otherwise)

    def last_run_arm(self, name: str) -> str:
        """Return the arm whose runs stand for the steps of an arm."""
        return self._climber(name)

    def _original(self, name: str) -> str:
        return self.plan.same.get(name, name)

    def _climber(self, name: str) -> str:
        """Return the arm that climbs the ladder for an arm: itself, or one that takes the very same steps."""
        name = self._original(name)
        other = self.plan.same_steps.get(name)
        blocks = range(len(self.plan.seeds))
        if other is None or any(self.rounds.differs(name, other, block) for block in blocks):
            return name
        return self._climber(other)

    def _timed(self, contrasts: list[Contrast]) -> list[str]:
        names = [name for one in contrasts for name in (one.baseline, one.arm)]
        return list(dict.fromkeys([FULL, *(self._original(name) for name in names)]))

    def _climbing(self, contrasts: list[Contrast]) -> list[str]:
        names = [self._climber(name) for name in self._timed(contrasts)]
        return list(dict.fromkeys(names))

    def _missing_ladders(self) -> list[Request]:
        """Return the next runs of the ladders, of a new block only where the budget has time for it."""
        climbing = self._climbing(self.contrasts)
        while True:
            missing = self.walks.missing(climbing, range(self._started))
            if missing or self._started == len(self.plan.seeds) or self.stopped:
                return missing
            if not self.walks.has_begun(FULL, self._started) and not self._has_time():
                self._stop_for_time(self._started)
                return []
            self._started += 1

    def _missing_rounds(self, blocks: list[int]) -> list[Request]:
        arms = self._timed(self.contrasts)
        for block in blocks:
            missing = self.rounds.missing(arms, block)
            if missing:
                return missing[:1]
        return self._missing_ladders() if self._climbers_changed() else []

    def _climbers_changed(self) -> bool:
        """Say whether a round showed that an arm takes other steps after all, so that it has to climb itself."""
        return any(
            not self.walks.is_over(arm, block)
            for arm in self._climbing(self.contrasts)
            for block in range(self._started)
        )

    def _wanted_in_turns(self) -> list[Request]:
        """Return what is missing of the first block that is not over, and look after each whether it is enough."""
        open_ones = self.contrasts
        for block in range(len(self.plan.seeds)):
            if block and not (open_ones := self._still_open(open_ones, block)):
                return []
            climbing, timed = self._climbing(open_ones), self._timed(open_ones)
            missing = self.walks.missing(climbing, range(block + 1))
            if not missing:
                missing = self.rounds.missing(timed, block)[:1]
            if missing:
                return missing if self._may_start(block) else []
            self._started = block + 1
        return []

    def _may_start(self, block: int) -> bool:
        if block < self._started or self.budget.seconds is None:
            return True
        if not self.walks.has_begun(FULL, block) and not self._has_time():
            self._stop_for_time(block)
            return False
        self._started = block + 1
        return True

    def _still_open(self, contrasts: list[Contrast], blocks: int) -> list[Contrast]:
        """Return the comparisons that go on after some blocks: all but the futile ones while any is open, else none."""
        rule, planned = self.plan.decision_rule, len(self.plan.seeds)
        words = progress(self.observations()[:blocks], self.contrasts, rule, planned)
        if not any(words[one] == OPEN for one in contrasts if one.kind != SAME and one in words):
            self.stopped = "everything is decided, or would hardly be within the planned blocks"
            return []
        return [one for one in contrasts if words.get(one, FUTILE) != FUTILE]

    def _stop_for_time(self, block: int) -> None:
        """Take note that the budget ends the study before a block.

        Raises:
            ConfigError: not one block has fitted.
        """
        budget, blocks = f"study.budget={self.definition.config.budget}", len(self.plan.seeds)
        needed = self.budget.spent() + (blocks - block) * (self._block_seconds() + self._round_seconds())
        hint = f"about {needed / 60:.0f}min for all {blocks}: fastrun resume {self.definition.folder} study.budget=…"
        if block == 0:
            raise ConfigError(f"{budget} has no time for a block after the pilot", hint)
        self.stopped = f"{budget} has no time for block {block + 1}; {hint}"

    def _has_time(self) -> bool:
        """Say whether another block and its rounds fit, if it takes as long as those so far."""
        rounds = self._round_seconds() * (1 if self._is_interleaved else self._started + 1)
        return self.budget.allows(self._block_seconds() + rounds)

    def _block_seconds(self) -> float:
        """Return about what the ladders of a block take: as those so far, else two runs and a half of each arm."""
        seeds = {f"seed={seed}" for seed in (*self.plan.seeds, *self.plan.again_seeds)}
        outcomes = self.results.outcomes.items()
        scored = [one.seconds for label, one in outcomes if label[1] in seeds and not label[-1].startswith("pace=")]
        if self._started and scored:
            return sum(scored) / self._started / self._jobs
        runs = [one.seconds for one in self.results.outcomes.values()]
        return 2.5 * len(self._climbing(self.contrasts)) * sum(runs) / max(1, len(runs)) / self._jobs

    def _round_seconds(self) -> float:
        """Return about what a round takes: the steps, and half a second to start each run."""
        pilot = self.results.of(Request(FULL, self.plan.pilot_seeds[0]))
        step = pilot.seconds_per_step if pilot is not None else 0.0
        return len(self._timed(self.contrasts)) * (0.5 + self.plan.pace_steps * step)


def _final(definition: Definition, plan: Plan, name: str) -> Arm:
    """Return an arm as it is scored: with what was found for it, and its learning rate."""
    raw = definition.design.arms[name]
    original = FULL if name == AGAIN else plan.same.get(name, name)
    arm = pinned(raw, plan.pins[name]).with_rate(plan.rates.get(original))
    return Arm(name, plan.arms[name], arm.settings)
