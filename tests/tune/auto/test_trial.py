"""What a trial chooses, with candidates that take seconds of a fake clock."""

from collections.abc import Mapping
from typing import Any

import pytest

from fastrun.tune.auto.dimensions import Dimension
from fastrun.tune.auto.trial import Trial, TrialResult

THREADS = Dimension("speed.threads", (1, 2), 1.25)
AMP = Dimension("amp.kind", ("off", "bf16"), 1.03)
START = {"speed.threads": 1, "amp.kind": "off"}


class Machine:
    """A clock, and candidates that take the seconds that a function of their choice returns."""

    def __init__(self, seconds: Any) -> None:
        self.now, self.seconds = 0.0, seconds
        self.built: list[dict[str, Any]] = []

    def clock(self) -> float:
        return self.now

    def build(self, choice: Mapping[str, Any]) -> "Steps":
        self.built.append(dict(choice))
        return Steps(self, dict(choice))


class Steps:
    def __init__(self, machine: Machine, choice: dict[str, Any]) -> None:
        self.machine, self.choice = machine, choice

    def take(self, steps: int, threads: int) -> None:
        self.machine.now += steps * self.machine.seconds({**self.choice, "speed.threads": threads})


def tried(seconds: Any, dimensions: Any = (THREADS, AMP), budget: float = 10.0) -> tuple[TrialResult, Machine]:
    machine = Machine(seconds)
    trial = Trial(machine.build, budget, machine.clock)
    first = trial.first_step(START)
    return trial.run(dimensions, START, first), machine


@pytest.mark.parametrize(("two", "threads"), [(0.009, 1), (0.0081, 1), (0.0079, 2), (0.005, 2)])
def test_more_threads_must_bring_a_quarter(two: float, threads: int) -> None:
    result, _ = tried(lambda choice: two if choice["speed.threads"] == 2 else 0.010)
    assert result.choice["speed.threads"] == threads


@pytest.mark.parametrize(("bf16", "amp"), [(0.02, "off"), (0.00985, "off"), (0.0096, "bf16")])
def test_another_precision_must_bring_three_percent(bf16: float, amp: str) -> None:
    result, _ = tried(lambda choice: bf16 if choice["amp.kind"] == "bf16" else 0.010)
    assert result.choice == START | {"amp.kind": amp}
    assert result.step_seconds == pytest.approx(min(0.010, bf16) if amp == "bf16" else 0.010)


def test_each_dimension_goes_on_from_the_best_of_the_one_before() -> None:
    result, machine = tried(lambda choice: 0.005 if choice["speed.threads"] == 2 else 0.010)
    assert [row.plain()["setting"] for row in result.rows] == [
        "speed.threads=1",
        "speed.threads=2",
        "amp=off",
        "amp=bf16",
    ]
    assert [row.seconds for row in result.rows] == pytest.approx([0.010, 0.005, 0.005, 0.005])
    assert len(machine.built) == 2  # threads are no reason to build another network


def test_a_hopeless_candidate_takes_one_step_only() -> None:
    spent: list[float] = []

    def seconds(choice: dict[str, Any]) -> float:
        spent.append(choice["speed.threads"])
        return 1.0 if choice["speed.threads"] == 2 else 0.010

    result, _ = tried(seconds, [THREADS])
    assert result.choice["speed.threads"] == 1
    assert spent.count(2) == 1
    assert result.rows[1].verdict == "100.0 times as long"


def test_a_candidate_that_fails_is_out_and_the_reason_is_kept() -> None:
    def seconds(choice: dict[str, Any]) -> float:
        if choice["amp.kind"] == "bf16":
            raise RuntimeError("no such kernel\nmore")
        return 0.010

    result, _ = tried(seconds)
    assert result.choice == START
    assert [row.verdict for row in result.rows if row.seconds is None] == ["failed: RuntimeError: no such kernel"]


def test_the_budget_ends_the_trial_before_a_dimension_that_it_cannot_pay() -> None:
    result, machine = tried(lambda choice: 0.1, budget=0.7)
    assert {row.key for row in result.rows} == {"speed.threads"}
    assert machine.now < 1.5


def long_steps(bf16: float) -> Any:
    """Seconds of steps that leave a trial of 1.2 s time for one of each precision."""
    return lambda choice: (bf16 if choice["amp.kind"] == "bf16" else 0.16) * (3 - choice["speed.threads"])


@pytest.mark.parametrize(("bf16", "amp"), [(0.1, "bf16"), (0.14, "off")])
def test_one_very_long_step_of_each_is_enough_where_they_differ_clearly(bf16: float, amp: str) -> None:
    result, _ = tried(long_steps(bf16), budget=1.2)
    assert result.choice == {"speed.threads": 2, "amp.kind": amp}


def test_nothing_is_measured_without_time() -> None:
    result, _ = tried(lambda choice: 0.1, budget=0.0)
    assert result.rows == []
    assert result.choice == START


@pytest.mark.parametrize(("steps", "compiled"), [(1000, False), (100_000, True)])
def test_compiling_must_save_more_than_it_takes(steps: int, compiled: bool) -> None:
    machine = Machine(lambda choice: 0.008 if choice.get("speed.compile") else 0.010)
    build = machine.build

    def compiling(choice: Mapping[str, Any]) -> Steps:
        machine.now += 20.0 if choice.get("speed.compile") else 0.0
        return build(choice)

    trial = Trial(compiling, 10.0, machine.clock)
    result = TrialResult(dict(START), 0.010)
    trial.try_compiled(result, steps)
    assert result.choice["speed.compile"] is compiled


def test_a_compiler_that_fails_leaves_the_run_as_it_is() -> None:
    def fail(choice: Mapping[str, Any]) -> Any:
        raise RuntimeError("no compiler")

    result = TrialResult(dict(START), 0.010)
    Trial(fail, 10.0).try_compiled(result, 10**6)
    assert result.choice["speed.compile"] is False
    assert "no compiler" in result.rows[0].verdict
