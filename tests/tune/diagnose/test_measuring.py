"""How a training is measured: with a clock of the test's own where seconds matter."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from fastrun.compose import compose
from fastrun.training.builders.setup import set_up
from fastrun.tune.diagnose.evaluation import measure_save, measure_validation
from fastrun.tune.diagnose.host import fixed_share
from fastrun.tune.diagnose.machine import count_flops, measure_machine
from fastrun.tune.diagnose.steps import Turn, measure_steps, summarize, whole_step
from fastrun.tune.diagnose.timer import Timer
from fastrun.tune.diagnose.trial import Trial

TINY = ["data=synthetic", "data.shape=[4]", "data.samples=64", "model=mlp", "model.hidden=[8]", "batch.size=16"]


def trial_of(*overrides: str) -> Trial:
    settings = compose([*TINY, "amp=off", *overrides])
    return Trial(settings, set_up(settings))


class Clock:
    """Seconds that pass only where work is done."""

    def __init__(self) -> None:
        self.now, self.calls = 0.0, 0

    def __call__(self) -> float:
        return self.now

    def work(self, seconds: float) -> None:
        self.now += seconds
        self.calls += 1


@pytest.mark.parametrize(("each", "seconds", "calls"), [(1.0, 0.0, 1), (0.1, 1.05, 11), (0.4, 1.0, 3), (5.0, 1.0, 1)])
def test_a_call_is_timed_as_often_as_fits(each: float, seconds: float, calls: int) -> None:
    clock = Clock()
    timer = Timer(torch.device("cpu"), clock)
    assert timer.per_call(lambda: clock.work(each), seconds) == pytest.approx(each)
    assert clock.calls == calls


def test_what_does_not_grow_with_the_batch_is_the_line_at_zero_samples() -> None:
    assert fixed_share({32: 0.006, 64: 0.010, 128: 0.018}, 64) == pytest.approx(0.2)
    assert fixed_share({64: 0.010, 128: 0.020}, 64) == pytest.approx(0.0)
    assert fixed_share({64: 0.010, 128: 0.010}, 64) == 1.0
    assert fixed_share({64: 0.010, 128: 0.009}, 64) == 1.0  # noise
    assert fixed_share({64: 0.010, 128: 0.050}, 64) == 0.0  # a batch that does not fit the cache
    assert fixed_share({64: 0.010}, 64) == 0.0  # nothing to compare with


def test_medians_over_turns_outlive_a_turn_that_went_wrong() -> None:
    good = Turn(1.0, 3.0, 1 / 3, 2.0, 1.0, {8: 2.0, 16: 4.0}, 0.9)
    bad = Turn(9.0, 90.0, 0.9, 30.0, 9.0, {8: 30.0, 16: 3.0}, None)
    steps = summarize([good, bad, good], 8, None, on_gpu=False)
    assert (steps.loader, steps.whole, steps.step, steps.forward) == (1.0, 3.0, 2.0, 1.0)
    assert (steps.waiting, steps.fixed, steps.cpu_share) == (1 / 3, 0.0, 0.9)
    assert steps.drift == pytest.approx(14 / 2)


@pytest.mark.sampled
@pytest.mark.parametrize("own", [[], ["batch.accumulate=2"], ["pipeline=plain"], ["batch.drop_last=false"]])
def test_every_part_of_a_step_is_measured(own: list[str]) -> None:
    trial = trial_of("data.samples=70", *own)
    before = [weight.detach().clone() for weight in trial.parts.net.parameters()]
    steps = measure_steps(trial, 0.05)
    assert steps.batch == 16
    assert min(steps.loader, steps.whole, steps.step, steps.forward) > 0
    assert 0 <= steps.waiting < 1
    assert 0 <= steps.fixed <= 1
    assert 0 <= steps.outside <= 1
    after = list(trial.parts.net.parameters())
    assert all(torch.allclose(one, other, atol=1e-3) for one, other in zip(before, after, strict=True))


def test_a_batch_of_one_sample_is_not_halved() -> None:
    assert measure_steps(trial_of("batch.size=1", "norm=none"), 0.05).batch == 1


@pytest.mark.slow
def test_worker_processes_are_measured_and_end() -> None:
    trial = trial_of("pipeline=workers", "pipeline.num_workers=1")
    assert trial.workers == 1
    assert whole_step(trial, 0.01) > 0
    assert measure_steps(trial, 0.05).loader > 0


def test_flops_are_those_of_the_products() -> None:
    trial = trial_of("norm=none")
    (first, last) = (weight for weight in trial.parts.net.parameters() if weight.ndim == 2)
    # forward, gradient of the weights, and gradient of the inputs but for the first layer
    expected = 2 * 16 * (2 * first.numel() + 3 * last.numel())
    assert count_flops(trial).total == expected
    assert count_flops(trial_of("norm=none", "batch.accumulate=4")).total == expected
    assert count_flops(trial).uncounted == ()


def test_kernels_that_cannot_be_counted_are_named(folder: Path) -> None:
    (folder / "text.txt").write_text("to be or not to be " * 40)
    settings = compose(
        ["+recipe=text_lstm", "data.root=text.txt", "amp=off", "batch.size=4", "data.length=8", "model.width=8"]
    )
    assert any("rnn" in name for name in count_flops(Trial(settings, set_up(settings))).uncounted)


def test_the_machine_is_measured_in_the_precision_of_the_step() -> None:
    trial = trial_of("amp=bf16")
    machine = measure_machine(trial, count_flops(trial))
    assert machine.precision == "bfloat16"
    assert machine.flops > 0
    assert machine.bandwidth > 0


@pytest.mark.sampled
@pytest.mark.parametrize("own", [["ema=ema", "norm=batch"], [], ["batch.eval_size=3"]])
def test_a_validation_is_measured_and_leaves_the_network_in_training(own: list[str]) -> None:
    trial = trial_of(*own)
    assert measure_validation(trial, 0.01) > 0
    assert trial.parts.net.training


def test_a_save_is_measured_and_leaves_nothing_behind(folder: Path) -> None:
    (folder / "outputs").mkdir()
    save = measure_save(trial_of("ema=ema"), Path("outputs"))
    assert 0 < save.blocking <= save.written
    assert [path.name for path in folder.rglob("*")] == ["outputs"]
