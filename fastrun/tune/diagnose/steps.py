"""Timing a training's steps and their parts in turns: the data alone, the whole step, the step on one kept batch.

A machine's speed drifts, and other programs use it. So everything is measured once a turn, what is compared is compared
within a turn, and medians over the turns count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from statistics import median, quantiles

import torch

from fastrun.components.batch.size_search import within_free_memory
from fastrun.components.pipeline import Batch
from fastrun.components.pipeline.structure import map_tensors
from fastrun.system.cpu_share import CpuShare
from fastrun.system.memory import is_out_of_memory
from fastrun.tune.diagnose.host import LAUNCHING, fixed_share, launching_share, outside_operations
from fastrun.tune.diagnose.trial import Trial

_PHASES = 6  # timed in a turn: data, whole step, step on a kept batch, half and twice that batch, forward alone
_TURNS = 5  # aimed at
_LEAST_PHASE = 0.01  # seconds


@dataclass(frozen=True)
class Turn:
    """What one turn measured; times are seconds a step.

    Attributes:
        loader: getting a batch, without computing anything.
        whole: a step as a run takes it.
        waiting: the share of ``whole`` that its data takes.
        step: the step on a batch that is on the device already.
        forward: its forward pass and loss.
        sizes: steps on kept batches by their number of samples.
        cpu_share: the share of CPU time that the process got meanwhile; None where it is not known.
    """

    loader: float
    whole: float
    waiting: float
    step: float
    forward: float
    sizes: dict[int, float]
    cpu_share: float | None


@dataclass(frozen=True)
class Steps:
    """The medians over the turns; times are seconds a step.

    Attributes:
        batch: the samples of a step.
        loader: getting a batch, without computing anything.
        whole: a step as a run takes it.
        waiting: the share of ``whole`` that its data takes.
        step: the step on a batch that is on the device already.
        forward: its forward pass and loss.
        fixed: the share of ``step`` that does not grow with the batch.
        outside: on a CPU, the share of ``step`` outside of torch's operations; on a GPU, the share of a forward pass
            in which the host launches kernels. None where it is not known.
        cpu_share: the share of CPU time that the process got; None where it is not known.
        drift: the range between the quartiles of the step's times, divided by their median.
        turns: the number of turns.
        on_gpu: whether the steps were computed by a GPU.
    """

    batch: int
    loader: float
    whole: float
    waiting: float
    step: float
    forward: float
    fixed: float
    outside: float | None
    cpu_share: float | None
    drift: float
    turns: int
    on_gpu: bool = False

    @property
    def host(self) -> float:
        """Return the share of a step that is the host's own work: Python, launching, and what a batch does not change.

        On a GPU the host works ahead, so launching counts only where it takes as long as the computation itself.
        """
        outside = self.outside or 0.0
        if self.on_gpu and outside < LAUNCHING:
            outside = 0.0
        return max(self.fixed, outside)


def measure_steps(trial: Trial, seconds: float) -> Steps:
    """Measure the steps of a training.

    Args:
        trial: the training.
        seconds: about how long; two turns at least are measured.
    """
    clock, batches = trial.timer.clock, _kept_batches(trial)
    for batch in batches.values():
        trial.step(batch)  # not measured: it chooses kernels and allocates memory
    trial.forward()
    outside = launching_share(trial) if trial.device.type == "cuda" else outside_operations(trial)
    phase, begin = max(seconds / (_PHASES * _TURNS), _LEAST_PHASE), clock()
    turns = [_turn(trial, batches, phase)]
    while len(turns) < 2 or (clock() - begin < seconds and len(turns) < 2 * _TURNS):
        turns.append(_turn(trial, batches, phase))
    return summarize(turns, trial.size, outside, on_gpu=trial.device.type == "cuda")


def summarize(turns: Sequence[Turn], batch: int, outside: float | None, *, on_gpu: bool) -> Steps:
    """Return the medians over turns.

    Args:
        turns: what each turn measured.
        batch: the samples of a step.
        outside: the share of a step outside of torch's operations, or of launching.
        on_gpu: whether a GPU computes.
    """

    def middle(value: Callable[[Turn], float]) -> float:
        return median(map(value, turns))

    shares = [turn.cpu_share for turn in turns if turn.cpu_share is not None]
    return Steps(
        batch=batch,
        loader=middle(lambda turn: turn.loader),
        whole=middle(lambda turn: turn.whole),
        waiting=middle(lambda turn: turn.waiting),
        step=middle(lambda turn: turn.step),
        forward=middle(lambda turn: turn.forward),
        fixed=middle(lambda turn: fixed_share(turn.sizes, batch)),
        outside=outside,
        cpu_share=median(shares) if shares else None,
        drift=_drift([turn.step for turn in turns]),
        turns=len(turns),
        on_gpu=on_gpu,
    )


def whole_step(trial: Trial, seconds: float) -> float:
    """Return the seconds of a step as a run takes it, its data included."""
    trial.use_threads()
    with closing(trial.batches()) as batches:
        _empty_queue(trial, lambda: trial.step(next(batches)), seconds)
        return trial.timer.per_call(lambda: trial.step(next(batches)), seconds)


def _turn(trial: Trial, batches: dict[int, Batch], seconds: float) -> Turn:
    """Measure everything once, for about so many seconds each. Worker processes end before the step is timed alone."""
    per_call = trial.timer.per_call
    with closing(trial.batches()) as loaded:
        _empty_queue(trial, lambda: next(loaded), seconds)
        loader = per_call(lambda: next(loaded), seconds)
        whole, waited = _whole_and_waiting(trial, loaded, seconds)
    cpu = CpuShare()
    sizes = {size: per_call(lambda: trial.step(kept), seconds) for size, kept in batches.items()}  # noqa: B023
    forward = per_call(trial.forward, seconds)
    step = sizes[trial.size]
    # Workers share the cores with the training, and a GPU computes while the host waits: so the step alone is the
    # measure there.
    is_apart = trial.workers > 0 or trial.device.type == "cuda"
    waiting = max(0.0, 1 - step / whole) if is_apart else waited / whole
    return Turn(loader, whole, waiting, step, forward, sizes, cpu.share())


def _empty_queue(trial: Trial, take: Callable[[], object], seconds: float) -> None:
    """Take the first batches, which are late, and those that worker processes have prepared by then, which are free.

    Args:
        trial: the training.
        take: takes a batch.
        seconds: the time after which no queue has built up, if so many batches are not taken by then.
    """
    clock = trial.timer.clock
    begin = clock()
    for taken in range(trial.queue + 1):
        if taken > trial.workers and clock() - begin > seconds:
            break
        take()


def _whole_and_waiting(trial: Trial, loaded: Iterator[Batch], seconds: float) -> tuple[float, float]:
    """Return the seconds of a step as a run takes it, and the seconds of it that this process waits for its batch."""
    clock = trial.timer.clock
    waited = 0.0
    steps = 0

    def step() -> None:
        nonlocal waited, steps
        begin = clock()
        batch = next(loaded)
        waited += clock() - begin
        steps += 1
        trial.step(batch)

    whole = trial.timer.per_call(step, seconds)
    return whole, waited / steps


def _kept_batches(trial: Trial) -> dict[int, Batch]:
    """Return the kept batch, half of it and twice of it, where they can be computed, by their number of samples."""
    batch, size = trial.batch, trial.size
    kept = {size: batch, 2 * size: map_tensors(lambda tensor: torch.cat([tensor, tensor]), batch)}
    if size // 2 >= 2 * trial.parts.update.accumulate:  # batch norm needs two samples
        kept[size // 2] = map_tensors(lambda tensor: tensor[: size // 2], batch)

    def take(size: int) -> None:
        trial.step(kept[size])
        trial.timer.synchronize()

    limited = take if trial.device.type == "cuda" else within_free_memory(take)
    limited(size)
    try:
        limited(2 * size)
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        del kept[2 * size]
    return kept


def _drift(values: Sequence[float]) -> float:
    """Return the range between the quartiles of values, divided by their median."""
    low, middle, high = quantiles(values, n=4, method="inclusive")
    return (high - low) / middle
