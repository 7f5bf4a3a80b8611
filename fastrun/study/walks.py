"""The runs that count: every arm climbs the ladder of lengths with the seed of each block."""

from __future__ import annotations

from collections.abc import Sequence

from fastrun.config.monitor import Monitor
from fastrun.study import ladder
from fastrun.study.arms import AGAIN
from fastrun.study.plan import Plan
from fastrun.study.request import Request
from fastrun.study.results import Outcome, Results


class Walks:
    """The ladders of all arms in all blocks.

    The rung that an arm begins with in a block is that of its answer in the block before, so which runs there are
    depends neither on how many run at a time nor on where the study was interrupted.

    Args:
        plan: the plan of the study.
        results: what became of the runs so far.
    """

    def __init__(self, plan: Plan, results: Results) -> None:
        self.plan, self.results = plan, results
        self.higher_is_better = Monitor.of(plan.target["metric"]).higher_is_better
        self._known: dict[tuple[str, int], dict[int, float]] = {}  # of the walks that are over

    def missing(self, arms: Sequence[str], blocks: Sequence[int]) -> list[Request]:
        """Return the runs to start next: one for each arm and block, whose block before is over."""
        found = []
        for block in blocks:
            for arm in arms:
                if self._is_next(arm, block) and (rung := self._walk(arm, block)[1]) is not None:
                    found.append(self.request(arm, block, rung))
        return found

    def is_over(self, arm: str, block: int) -> bool:
        """Say whether the answer of an arm in a block is known."""
        return (arm, block) in self._known or (self._is_next(arm, block) and self._walk(arm, block)[1] is None)

    def has_begun(self, arm: str, block: int) -> bool:
        """Say whether an arm has ended a run in a block."""
        return self._is_next(arm, block) and bool(self._walk(arm, block)[0])

    def steps(self, arm: str, block: int) -> float | None:
        """Return the steps to the target of an arm in a block that is over; None where it missed."""
        known = self._walk(arm, block)[0]
        return ladder.steps_to_target(known, self._target, self.higher_is_better, self.plan.base_steps)

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

    def _is_next(self, arm: str, block: int) -> bool:
        return block == 0 or self.is_over(arm, block - 1)

    def _guess(self, arm: str, block: int) -> int:
        if block == 0:
            return self.plan.guesses[arm]
        known = self._walk(arm, block - 1)[0]
        rung = ladder.lowest_reaching(known, self._target, self.higher_is_better)
        return self.plan.rungs[1] if rung is None else rung

    def _walk(self, arm: str, block: int) -> tuple[dict[int, float], int | None]:
        """Return what is known of a ladder, and the rung to run next; None if the answer is known."""
        if (arm, block) in self._known:
            return self._known[arm, block], None
        known: dict[int, float] = {}
        guess, (lowest, highest) = self._guess(arm, block), self.plan.rungs
        while True:
            rung = ladder.next_rung(known, self._target, self.higher_is_better, guess, lowest, highest)
            if rung is None:
                self._known[arm, block] = known
                return known, None
            outcome = self.results.of(self.request(arm, block, rung))
            if outcome is None:
                return known, rung
            known[rung] = outcome.value(self.higher_is_better)
