"""The critical batch size: above it, a larger batch needs more than twice the samples for the same progress.

McCandlish et al. 2018, "An empirical model of large-batch training": with a batch of the critical size, training needs
twice as many samples as with tiny batches. It is measured here by branching, after Merrill et al. 2025, "Critical batch
size revisited" (arXiv 2505.23971): from one state of a network, training goes on with batches of several sizes, each
with its rate scaled, and the samples are counted that each needs to reach the same loss.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import deepcopy
from dataclasses import dataclass, replace
from math import inf, sqrt
from statistics import median
from typing import Any

import torch

from fastrun.components.data.splits import size_of
from fastrun.components.pipeline.evaluation import EvalLoader
from fastrun.config.settings import EmaConfig, Settings
from fastrun.errors import ConfigError, Diverged
from fastrun.training.builders.loaders import build_eval_loader
from fastrun.training.builders.parts import Parts
from fastrun.tune.find.meter import Meter
from fastrun.tune.find.short_run import build_short, take_steps, thinned, validate
from fastrun.tune.find.subject import Subject

SMALLER = 4  # the smallest size is this part of the one that is set
_WARMUP = 5  # the rate rises over this part of the first steps
_PROBES = 16  # measurements of the loss while the size that is set takes its samples
_PROBED = (128, 1024)  # training samples that the loss is measured on, at least and at most
_BATCHES_PROBED = 8
_DOUBLE = 2.0  # times the fewest samples that the critical size may need
_LEAST_FALL = 0.01  # of the loss where branching begins
_LEAST_STEPS = 2  # that the largest size can take with twice the samples


@dataclass(frozen=True)
class Branch:
    """Training that went on with batches of one size.

    Attributes:
        size: the batch size.
        factor: what the rates were multiplied by.
        needed: the samples until the loss was reached, with each seed; infinity where it was not.
    """

    size: int
    factor: float
    needed: tuple[float, ...]

    @property
    def samples(self) -> float:
        """Return the median of the samples."""
        return median(self.needed)


@dataclass(frozen=True)
class _State:
    """A network in training that branches begin from."""

    net: dict[str, Any]
    optimizer: dict[str, Any]


def scaling_rule(settings: Settings, optimizer: torch.optim.Optimizer) -> str:
    """Return how the rates follow the batch size: as ``batch.lr_scaling`` says, else linear for SGD, and by the root.

    Sources: Goyal et al. 2017 for SGD; Malladi et al. 2022, "On the SDEs and scaling rules for adaptive gradient
    algorithms", for Adam and similar ones.
    """
    if settings.batch.lr_scaling != "none":
        return settings.batch.lr_scaling
    return "linear" if isinstance(optimizer, torch.optim.SGD) else "sqrt"


def factor_of(rule: str, ratio: float) -> float:
    """Return the factor of the rates where the batch size is ``ratio`` times another one."""
    return ratio if rule == "linear" else sqrt(ratio)


class Branching:
    """Counts the samples that sizes need to reach the loss that the present size reaches in so many steps.

    Args:
        subject: the run.
        rule: how the rates follow the size.
        steps: the steps before branching, and those of the present size after it.
        seeds: the orders of the samples that each branch is tried with.
        meter: counts the steps.
    """

    def __init__(self, subject: Subject, rule: str, steps: int, seeds: int, meter: Meter) -> None:
        self.subject, self.rule, self.steps, self.meter = subject, rule, steps, meter
        self.seeds = range(subject.settings.seed + 1, subject.settings.seed + 1 + seeds)
        self.present = subject.settings.batch.size
        self.budget = steps * self.present
        self._state = self._train()
        self._goals: dict[int, float] = {}
        self.branches = [self._reference()]

    def _settings(self, size: int, seed: int) -> Settings:
        batch = self.subject.settings.batch
        parts = batch.accumulate if size >= batch.size else 1
        return replace(
            self.subject.settings,
            seed=seed,
            batch=replace(batch, size=size, accumulate=parts, drop_last=True),
            ema=EmaConfig(),
            transfer=replace(self.subject.settings.transfer, freeze="0"),
        )

    def _build(self, size: int, seed: int, steps: int, warmup: int = 0) -> Parts:
        is_scaled = self.subject.settings.batch.lr_scaling != "none"  # by the optimizer's builder
        factor = 1.0 if is_scaled else factor_of(self.rule, size / self.present)
        return build_short(
            self.subject, self._settings(size, seed), steps, lambda step: factor * min(1.0, (step + 1) / (warmup + 1))
        )

    def _train(self) -> _State:
        """Train with the present size up to the state that branches begin from."""
        self.meter.begin(f"training {self.steps} steps before branching")
        self.meter.expect(self.steps)
        parts = self._build(self.present, self.subject.settings.seed, self.steps, warmup=self.steps // _WARMUP)
        try:
            for _ in take_steps(parts, parts.build_stepper(), self.steps, self.meter):
                pass
        except Diverged as error:
            raise ConfigError(
                f"the loss diverges before batches can be compared: {error.message}", "find lr first"
            ) from error
        return _State(deepcopy(parts.net.state_dict()), deepcopy(parts.update.optimizer.state_dict()))

    def _reference(self) -> Branch:
        """Train the present size on, which sets the loss to reach with each seed.

        Raises:
            ConfigError: the loss does not fall any more.
        """
        needed = []
        for seed in self.seeds:
            curve = list(self._losses(self.present, seed, self.budget))
            start, best = curve[0][1], min((loss for _, loss in curve), default=inf)
            if not start - best > _LEAST_FALL * abs(start):
                raise ConfigError(
                    f"the loss does not fall from step {self.steps} to {2 * self.steps}: batches cannot be compared",
                    "fewer --steps, where the network learns all of the data; or find lr first",
                )
            self._goals[seed] = best
            needed.append(_samples_until(curve, best))
        return Branch(self.present, 1.0, tuple(needed))

    def measure(self, size: int) -> Branch:
        """Return the samples that a size needs, which stop being counted at three times the fewest so far."""
        limit = 1.5 * _DOUBLE * min(self.fewest, self.budget)
        needed = tuple(_samples_until(self._losses(size, seed, limit), self._goals[seed]) for seed in self.seeds)
        branch = Branch(size, factor_of(self.rule, size / self.present), needed)
        self.branches = sorted([*self.branches, branch], key=lambda one: one.size)
        return branch

    @property
    def fewest(self) -> float:
        """Return the fewest samples that a size needed."""
        return min(branch.samples for branch in self.branches)

    def is_efficient(self, branch: Branch) -> bool:
        """Say whether a size needs at most twice the fewest samples."""
        return branch.samples <= _DOUBLE * self.fewest

    def can_measure(self, size: int) -> bool:
        """Say whether a size can take a few steps with twice the samples, and leaves an epoch of two steps."""
        in_time = size * _LEAST_STEPS <= _DOUBLE * self.fewest
        return in_time and 2 * size <= size_of(self.subject.setup.splits.train)

    def _losses(self, size: int, seed: int, limit: float) -> Iterator[tuple[int, float]]:
        """Train with a size from the branching on, and yield the samples so far and the loss."""
        self.meter.begin(f"batch.size={size}, seed {seed}")
        steps = max(1, int(limit / size))
        self.meter.expect(steps)
        parts = self._build(size, seed, steps)
        parts.net.load_state_dict(self._state.net)
        parts.update.optimizer.load_state_dict(deepcopy(self._state.optimizer))
        stepper, probe = parts.build_stepper(), _probe(parts, self.present)
        every = max(1, round(self.budget / _PROBES / size))
        yield 0, validate(parts, probe, 0)["val/loss"]
        taken = 0
        try:
            for result in take_steps(parts, stepper, steps, self.meter):
                taken = result.step
                if taken % every == 0 or taken == steps:
                    yield taken * size, validate(parts, probe, taken)["val/loss"]
        except Diverged:
            return
        finally:
            self.meter.expect(taken - steps)  # nobody asks for the rest once the loss is reached


def _samples_until(curve: Iterable[tuple[int, float]], goal: float) -> float:
    """Return the samples until a loss was reached, between two measurements along a line; infinity if it was not."""
    before: tuple[int, float] | None = None
    for samples, loss in curve:
        if loss <= goal:
            if before is None or before[1] == loss:
                return float(samples)
            share = (before[1] - goal) / (before[1] - loss)
            return before[0] + share * (samples - before[0])
        before = samples, loss
    return inf


def _probe(parts: Parts, present: int) -> EvalLoader:
    """Return a few batches of training samples, spread evenly over the set, to measure the loss on."""
    least, most = _PROBED
    samples = thinned(parts.setup.splits.train, max(least, min(most, _BATCHES_PROBED * present)))
    return build_eval_loader(parts.settings, parts.setup.device, parts.setup.learned, samples)
