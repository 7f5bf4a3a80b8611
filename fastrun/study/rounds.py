"""The seconds of a step: short runs of all arms in turns, one at a time, in an order that is drawn anew each round."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

from fastrun.storage.run_dir import RunDir
from fastrun.study.plan import Plan, short_id, this_machine
from fastrun.study.request import PACE, Request
from fastrun.study.results import DIVERGED, FINISHED, Outcome, Results
from fastrun.study.walks import Walks

_WARMUP = 0.25  # of the steps of a run that are not counted: allocations, and the choice of steps per call
_LEAST_STEPS = 8  # counted steps of a run that ended early


class Rounds:
    """The rounds, one a block.

    Seconds of another machine do not count: there, all rounds begin anew.

    Args:
        plan: the plan of the study.
        walks: the ladders, which know the seeds.
        results: what became of the runs so far.
        machine: the machine; None for this one.
        purpose: what tells these rounds from others of the same study.
    """

    def __init__(
        self,
        plan: Plan,
        walks: Walks,
        results: Results,
        machine: dict[str, object] | None = None,
        purpose: str = "",
    ) -> None:
        self.plan, self.walks, self.results = plan, walks, results
        self.machine, self.purpose = short_id(machine or this_machine()), purpose
        self._seconds: dict[tuple[str, int], float | None] = {}  # of the runs that have ended
        self._differs: dict[tuple[str, str, int], bool] = {}

    def missing(self, arms: Sequence[str], block: int) -> list[Request]:
        """Return the runs of a block's round that have not ended, in the order of that round."""
        order = sorted(arms)
        Random(f"{self.plan.seeds[block]} {block}").shuffle(order)
        requests = [self.request(arm, block) for arm in order]
        return [request for request in requests if self.results.of(request) is None]

    def request(self, arm: str, block: int) -> Request:
        """Return the timed run of an arm in a block."""
        mark = f"round {block + 1} on {self.machine}{self.purpose}"
        return Request(arm, self.walks.seed(arm, block), self.plan.pace_steps, PACE, mark=mark)

    def seconds(self, arm: str, block: int) -> float | None:
        """Return the seconds of a step of an arm in a block; None where they could not be measured."""
        outcome = self.results.of(self.request(arm, block))
        if outcome is None or outcome.state not in (FINISHED, DIVERGED):
            return None
        if (arm, block) not in self._seconds:
            self._seconds[arm, block] = seconds_per_step(outcome)
        return self._seconds[arm, block]

    def cpu_shares(self, block: int) -> dict[str, float]:
        """Return the share of CPU time that each timed run of a round got of what it asked for, where it is known."""
        shares = {arm: self._cpu_share(arm, block) for arm in self.plan.arms}
        return {arm: share for arm, share in shares.items() if share is not None}

    def _cpu_share(self, arm: str, block: int) -> float | None:
        outcome = self.results.of(self.request(arm, block))
        share = None if outcome is None else (outcome.summary.get("throughput") or {}).get("cpu_share")
        return None if share is None else float(share)

    def describe(self) -> list[dict[str, Any]]:
        """Return the seconds a step of every arm in each round that was timed, and its share of CPU time."""
        found = []
        for block in range(len(self.plan.seeds)):
            seconds = {arm: one for arm in self.plan.arms if (one := self.seconds(arm, block)) is not None}
            if seconds:
                found.append({"round": block + 1, "seconds": seconds, "cpu_shares": self.cpu_shares(block)})
        return found

    def differs(self, arm: str, other: str, block: int) -> bool:
        """Say whether the losses of two arms are known to differ in a block's round."""
        first, second = (self.results.of(self.request(name, block)) for name in (arm, other))
        if first is None or second is None:
            return False
        if (arm, other, block) not in self._differs:
            self._differs[arm, other, block] = first.losses() != second.losses()
        return self._differs[arm, other, block]


def seconds_per_step(outcome: Outcome) -> float | None:
    """Return the seconds of a step of a timed run without its first steps; None where it has too few.

    A run that diverged has no summary. The last line is that of its last validation, before which the device has done
    all its steps.
    """
    measured = (outcome.summary.get("throughput") or {}).get("step_seconds")
    if measured:
        return float(measured)
    lines = [line for line in RunDir(outcome.path).lines() if line.get("train_seconds") is not None]
    if not lines:
        return None
    last = lines[-1]
    warmup = [line for line in lines if line["step"] <= max(1, _WARMUP * last["step"])]
    if not warmup or last["step"] - warmup[-1]["step"] < _LEAST_STEPS:
        return None
    start = warmup[-1]
    return max(1e-9, float(last["train_seconds"] - start["train_seconds"]) / float(last["step"] - start["step"]))
