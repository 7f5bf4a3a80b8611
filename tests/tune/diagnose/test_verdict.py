"""The rules that name a bottleneck, on numbers that nobody measured."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fastrun.config.plan import Plan
from fastrun.tune.diagnose.evaluation import Save
from fastrun.tune.diagnose.machine import Flops, Machine
from fastrun.tune.diagnose.shares import Measured
from fastrun.tune.diagnose.steps import Steps
from fastrun.tune.diagnose.verdict import NAMES, judge, notes

# A training that computes: 10 ms a step, an epoch of 100 steps, a short validation and a quick save after each.
STEPS = Steps(
    batch=64, loader=1e-4, whole=0.01, waiting=0.01, step=0.0099, forward=0.003, fixed=0.1, outside=0.05,
    cpu_share=0.99, drift=0.02, turns=5,
)  # fmt: skip
COMPUTING = Measured(
    steps=STEPS,
    plan=Plan(steps_per_epoch=100, total_steps=1000, val_every=100, save_every=100),
    validation=0.05,
    save=Save(blocking=0.001, written=0.02),
    save_minutes=None,
    flops=Flops(1e9),
    machine=Machine(flops=2e11, precision="float32", bandwidth=1e10, threads=1),
    memory=1 << 20,
)


def changed(**values: object) -> Measured:
    return replace(COMPUTING, steps=replace(STEPS, **values))


@pytest.mark.parametrize(
    ("measured", "name", "words"),
    [
        (COMPUTING, "compute-bound", "at 51 % of what a matrix product reaches"),
        (replace(COMPUTING, flops=None), "compute-bound", "of the time is computation"),
        (changed(waiting=0.41), "input-bound", "39 % of the time a step waits for data"),
        (changed(fixed=0.8), "host-bound", "does not depend on the batch"),
        (changed(outside=0.8), "host-bound", "Python code outside of torch's operations"),
        (changed(outside=0.97, on_gpu=True), "host-bound", "the GPU waits for the host"),
        (changed(outside=0.8, on_gpu=True), "compute-bound", ""),
        (replace(COMPUTING, validation=2.0), "validation-bound", "67 % of the time goes to validations, 2 s each"),
        (replace(COMPUTING, save=Save(0.3, 0.3)), "checkpoint-bound", "saving checkpoints"),
        (changed(cpu_share=0.6), "busy machine", "got 60 % of the CPU time"),
        (changed(cpu_share=None, drift=0.5), "busy machine", "steps differ by 50 % from turn to turn"),
        (changed(cpu_share=None, drift=0.2), "compute-bound", ""),
        (changed(cpu_share=0.6, waiting=0.9), "busy machine", ""),
    ],
)
def test_the_verdict_is_what_the_numbers_say(measured: Measured, name: str, words: str) -> None:
    verdict = judge(measured)[0]
    assert verdict.name == name
    assert words in verdict.reason
    assert verdict.advice


def test_of_several_bottlenecks_the_largest_comes_first_and_the_others_after_it() -> None:
    measured = replace(changed(waiting=0.6), validation=1.0)
    assert [verdict.name for verdict in judge(measured)] == ["validation-bound", "input-bound"]
    busy = replace(measured, steps=replace(measured.steps, cpu_share=0.5))
    assert [verdict.name for verdict in judge(busy)] == ["busy machine", "validation-bound", "input-bound"]


def test_host_work_is_no_bottleneck_where_more_is_computed() -> None:
    assert judge(changed(fixed=0.45))[0].name == "compute-bound"


@pytest.mark.parametrize("measured", [COMPUTING, changed(waiting=0.9), replace(COMPUTING, save=None)])
def test_the_shares_are_of_the_whole(measured: Measured) -> None:
    shares = measured.shares()
    assert sum(shares.values()) == pytest.approx(1)
    assert shares.keys() == NAMES.keys()
    assert min(shares.values()) >= 0


def test_validations_and_checkpoints_count_as_often_as_the_plan_has_them() -> None:
    costs = COMPUTING.costs()
    assert costs["validation"] == pytest.approx(10 * 0.05 / 1000)
    assert costs["checkpoint"] == pytest.approx(10 * 0.001 / 1000)  # the disk is done before the next one
    once = replace(COMPUTING, plan=replace(COMPUTING.plan, val_every=700, save_every=1000))
    assert once.costs()["validation"] == pytest.approx(2 * 0.05 / 1000)  # after 700 steps, and at the end
    assert once.costs()["checkpoint"] == pytest.approx(0.001 / 1000)


def test_a_disk_that_is_slower_than_the_steps_makes_them_wait() -> None:
    each_step = replace(COMPUTING, plan=replace(COMPUTING.plan, save_every=1), save=Save(0.001, 0.05), validation=0.0)
    assert each_step.costs()["checkpoint"] == pytest.approx(0.05 - 0.01)


def test_checkpoints_by_minutes_count_by_time() -> None:
    by_time = replace(COMPUTING, save_minutes=1.0, validation=0.0, save=Save(0.6, 0.6))
    assert by_time.costs()["checkpoint"] == pytest.approx(0.6 / 6000)


def test_rough_numbers_and_uncounted_operations_are_said() -> None:
    assert notes(COMPUTING) == []
    assert "20 % from turn to turn" in notes(changed(drift=0.2))[0]
    often = replace(COMPUTING, plan=replace(COMPUTING.plan, val_every=16))
    assert "what can be saved, not the largest share (validation-bound from 20 % of the time)" in notes(often)[0]
    assert "cannot be counted" in notes(replace(COMPUTING, flops=None))[0]
    assert "mkldnn_rnn_layer" in notes(replace(COMPUTING, flops=Flops(0, ("mkldnn_rnn_layer",))))[0]
    assert replace(COMPUTING, flops=Flops(0)).peak_share is None
    assert replace(COMPUTING, flops=Flops(1e9, ("mkldnn_rnn_layer",))).peak_share is None
