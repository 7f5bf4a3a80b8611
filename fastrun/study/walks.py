"""The runs that count: every arm climbs the ladder of lengths with the seed of each block."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from fastrun.config.monitor import Monitor
from fastrun.study import ladder
from fastrun.study.arms import AGAIN
from fastrun.study.request import Request
from fastrun.study.results import Outcome, Results


class LadderPlan(Protocol):
    """What ladders are climbed by; the attributes are those of :class:`fastrun.study.plan.Plan`."""

    @property
    def target(self) -> Mapping[str, Any]: ...  # noqa: D102
    @property
    def base_steps(self) -> int: ...  # noqa: D102
    @property
    def guesses(self) -> Mapping[str, int]: ...  # noqa: D102
    @property
    def rungs(self) -> Sequence[int]: ...  # noqa: D102
    @property
    def seeds(self) -> Sequence[int]: ...  # noqa: D102
    @property
    def again_seeds(self) -> Sequence[int]: ...  # noqa: D102


class Walks:
    """The ladders of all arms in all blocks.

    Args:
        plan: what they are climbed by.
        results: what became of the runs so far.
    """

    def __init__(self, plan: LadderPlan, results: Results) -> None:
        self.plan, self.results = plan, results
        self.higher_is_better = Monitor.of_record(plan.target).higher_is_better
        self._known: dict[tuple[str, int], dict[int, float]] = {}  # of the walks that are over

    def missing(self, arms: Sequence[str], blocks: Sequence[int]) -> list[Request]:
        """Return the runs to start next: one for each arm and block whose answer is not known."""
        pairs = [(arm, block) for block in blocks for arm in arms]
        rungs = [(*pair, self._walk(*pair)[1]) for pair in pairs]
        return [self.request(arm, block, rung) for arm, block, rung in rungs if rung is not None]

    def is_over(self, arm: str, block: int) -> bool:
        """Say whether the answer of an arm in a block is known."""
        return self._walk(arm, block)[1] is None

    def has_begun(self, arm: str, block: int) -> bool:
        """Say whether an arm has ended a run in a block."""
        return bool(self._walk(arm, block)[0])

    def steps(self, arm: str, block: int) -> float | None:
        """Return the steps to the target of an arm in a block that is over; None where it missed."""
        known = self._walk(arm, block)[0]
        return ladder.steps_to_target(known, self._target, self.higher_is_better, self.plan.base_steps)

    def runs(self, arm: str, block: int) -> list[Outcome]:
        """Return the runs of an arm that have ended in a block, in the order in which they were wanted."""
        outcomes = [self.results.of(self.request(arm, block, rung)) for rung in self._walk(arm, block)[0]]
        return [one for one in outcomes if one is not None]

    def last_run(self, arm: str, block: int) -> Outcome | None:
        """Return the run that reached the target in a block that is over, else the longest one."""
        known = self._walk(arm, block)[0]
        rung = ladder.lowest_reaching(known, self._target, self.higher_is_better)
        rung = max(known) if rung is None else rung
        return self.results.of(self.request(arm, block, rung))

    def request(self, arm: str, block: int, rung: int) -> Request:
        """Return the run of an arm at a rung."""
        return Request(arm, self.seed(arm, block), ladder.length(rung, self.plan.base_steps))

    def seed(self, arm: str, block: int) -> int:
        """Return the seed of an arm in a block."""
        return (self.plan.again_seeds if arm == AGAIN else self.plan.seeds)[block]

    @property
    def _target(self) -> float:
        return float(self.plan.target["value"])

    def _walk(self, arm: str, block: int) -> tuple[dict[int, float], int | None]:
        """Return what is known of a ladder, and the rung to run next; None if the answer is known."""
        if (arm, block) in self._known:
            return self._known[arm, block], None
        known: dict[int, float] = {}
        guess, (lowest, highest) = self.plan.guesses[arm], self.plan.rungs
        while True:
            rung = ladder.next_rung(known, self._target, self.higher_is_better, guess, lowest, highest)
            if rung is None:
                self._known[arm, block] = known
                return known, None
            outcome = self.results.of(self.request(arm, block, rung))
            if outcome is None:
                return known, rung
            known[rung] = outcome.value(self.higher_is_better)
