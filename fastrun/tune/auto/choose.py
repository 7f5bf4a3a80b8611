"""Chooses the fastest settings of ``speed``, ``amp`` and ``pipeline`` for a run: :func:`choose` is the story.

A run uses what earlier runs have found out about the same steps. Otherwise it measures, unless it is too short to: the
trial takes at most 3 % of the planned training. Nothing of a trial stays: a run that is given the same values by hand
trains the same network, bit for bit.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import torch
from torch import nn

from fastrun.components.data.splits import size_of
from fastrun.components.device.device import Device
from fastrun.config.plan import Plan, make_plan
from fastrun.config.resolved import Resolved
from fastrun.config.settings import Settings
from fastrun.errors import ConfigError
from fastrun.system import memory
from fastrun.system.cores import allowed_cores
from fastrun.system.cpu_share import CpuShare
from fastrun.system.seed import seeded
from fastrun.training.builders.loaders import build_sampler, why_not_resident
from fastrun.training.builders.model import build_network
from fastrun.training.builders.objective import forward_pass
from fastrun.training.builders.setup import Setup
from fastrun.training.objective.lightning_module import has_own_loss
from fastrun.tune.auto import answers
from fastrun.tune.auto.answers import Answer
from fastrun.tune.auto.candidates import Candidates
from fastrun.tune.auto.dimensions import Dimension, describe, dimensions, first_choice, open_keys, with_choice
from fastrun.tune.auto.rule import step_flops, threads_for
from fastrun.tune.auto.trial import Trial
from fastrun.tune.auto.workers import best as best_workers
from fastrun.tune.auto.workers import candidates as worker_counts
from fastrun.tune.auto.workers import choose_workers

_SHORT_SECONDS = 5.0  # a planned training below this takes what is known, or the rule
_SHARE = 0.03  # of the planned training is the most that a trial takes
_COMPILING_SECONDS = 1800.0  # a planned training below this is not compiled, which takes up to a minute
_MORE = 2.0  # times the time of an earlier trial that could not measure everything is worth another one
_FEW_STEPS = 100  # of a run that has fewer, a trial would take more than that share

log = logging.getLogger("fastrun")


def choose(settings: Settings, setup: Setup) -> Settings:
    """Return the settings with every open key set.

    Args:
        settings: the settings of the run.
        setup: the device and the data.
    """
    settings = _with_pipeline(settings, setup)
    if setup.device.is_sharded:
        settings = _for_shards(settings)
    keys = open_keys(settings)
    if not keys:
        return settings
    if keys == ["speed.threads"] and not _is_tuned(settings, setup.device):
        return with_choice(settings, {"speed.threads": max(1, allowed_cores() // setup.device.local_size)})
    answer, is_known = find_answer(settings, setup)
    return _with_answer(settings, answer, is_known)


def _for_shards(settings: Settings) -> Settings:
    """Return settings for weights that are divided: their usual layout, and no memory that is kept for the next step.

    Raises:
        ConfigError: it is asked for.
    """
    if settings.speed.channels_last:
        message = "speed.channels_last=true: device=fsdp divides weights in their usual layout only"
        raise ConfigError(message, "leave it out, or use device=ddp")
    malloc = settings.speed.malloc or False
    return replace(settings, speed=replace(settings.speed, channels_last=False, malloc=malloc))


def measure(settings: Settings, setup: Setup, seconds: float) -> Answer | None:
    """Measure what is fastest, whatever is known and however short the run, and keep the answer for later runs.

    Args:
        settings: the settings of the run.
        setup: the device and the data.
        seconds: the time to measure candidates for at most.

    Returns:
        The answer; None if no key is open.
    """
    settings = _with_pipeline(settings, setup)
    return find_answer(settings, setup, seconds)[0] if open_keys(settings) else None


def find_answer(settings: Settings, setup: Setup, budget: float | None = None) -> tuple[Answer, bool]:
    """Return what to take for the open keys, and whether that was known.

    Args:
        settings: the settings of the run.
        setup: the device and the data.
        budget: the seconds that a trial may take, whatever is known and however short the run; None for a run's share.
    """
    asked = answers.question(settings, setup.learned, setup.device)
    run = _Run(settings, setup)
    known = answers.recall(asked) if budget is None else None
    if known is not None and run.is_settled_by(known):
        return known, True
    with answers.one_at_a_time(asked):
        known = answers.recall(asked) if budget is None else None  # another process may have measured meanwhile
        if known is not None and run.is_settled_by(known):
            return known, True
        with _nothing_left_behind(settings):
            answer = run.answer(budget)
        answers.keep(asked, answer)
    return answer, False


@dataclass
class _Run:
    """A run whose settings are chosen."""

    settings: Settings
    setup: Setup

    @cached_property
    def plan(self) -> Plan:
        sampler = build_sampler(self.settings, self.setup.splits, self.setup.device, Resolved({}, is_silent=True))
        return make_plan(self.settings, sampler.steps_per_epoch)

    @cached_property
    def net(self) -> nn.Module:
        """Return the network, on the CPU."""
        return build_network(self.settings, self.setup, Resolved({}, is_silent=True), initialize=False)

    @cached_property
    def first(self) -> dict[str, Any]:
        """Return what the run takes by rule."""
        choice = {"speed.threads": self.settings.speed.threads, **first_choice(self._dimensions())}
        if "pipeline.num_workers" in open_keys(self.settings):
            choice["pipeline.num_workers"] = min(2, self._cores)
        return choice | self._threads_by_size()

    @property
    def _cores(self) -> int:
        """Return the cores of each process of the run."""
        return max(1, allowed_cores() // self.setup.device.local_size)

    def _threads_by_size(self) -> dict[str, int]:
        """Return the threads that the rule gives a step on a CPU, if they are open."""
        device = self.setup.device
        if self.settings.speed.threads is not None or not _is_tuned(self.settings, device):
            return {}
        samples, size = 2, self.settings.batch.size // device.world_size
        if has_own_loss(self.net):
            samples = min(size, size_of(self.setup.splits.train))  # a step may need its usual number
        forward = forward_pass(self.settings, self.setup, self.net, samples)
        return {"speed.threads": threads_for(step_flops(self.net, forward, samples / size), self._cores)}

    def planned_seconds(self, step_seconds: float) -> float:
        return self.settings.early_stopping.seconds or step_seconds * self.plan.total_steps

    def is_settled_by(self, known: Answer) -> bool:
        """Say whether an answer is enough: a run that is long enough measures what earlier ones had no time for."""
        if self._has_few_steps() or (known.by == "measured" and known.is_whole):
            return True
        if known.step_seconds is None:
            return False
        planned = self.planned_seconds(known.step_seconds)
        return planned < _SHORT_SECONDS or (known.by == "measured" and self._budget(planned) < _MORE * known.budget)

    def _budget(self, planned_seconds: float) -> float:
        """Return the seconds that a trial may take."""
        return min(self.settings.speed.trial_seconds, _SHARE * planned_seconds)

    def _has_few_steps(self) -> bool:
        is_rule = self.settings.speed.trial_seconds == 0 or self.setup.device.is_sharded  # one process may not hold it
        return self.plan.total_steps < _FEW_STEPS or is_rule

    def answer(self, budget: float | None) -> Answer:
        """Return the answer, by the rule or by a trial."""
        first = self.first
        if budget is None and self._has_few_steps():
            return Answer(first, "rule")
        with _kernels_of(self.settings):
            return self._measure(Candidates(self.settings, self.setup, self.net), budget)

    def _measure(self, candidates: Candidates, budget: float | None) -> Answer:
        """Return the answer of a trial, or that of the rule where the run turns out to be too short for one."""
        share, trial = CpuShare(), Trial(candidates, budget or 0.0)
        try:
            seconds = trial.first_step(self.first)
        except Exception as error:  # the network is the user's; the run itself says what is wrong with it
            log.debug(f"no trial: {error}")
            return Answer(self.first, "rule")
        if budget is None:
            planned = self.planned_seconds(seconds)
            if planned < _SHORT_SECONDS:
                return Answer(self.first, "rule", seconds)
            trial.budget = self._budget(planned)
        result = trial.run(self._dimensions(), self.first, seconds)
        if budget is None and self._is_worth_compiling(result.step_seconds):
            trial.try_compiled(result, self.plan.total_steps)
        rows = [row.plain() for row in result.rows]
        if "pipeline.num_workers" in open_keys(self.settings):
            rows += self._choose_workers(result.choice, trial, candidates)
        is_whole = all(len(dimension.values) == 1 or result.has(dimension.key) for dimension in self._dimensions())
        return Answer(result.choice, "measured", result.step_seconds, rows, share.share(), trial.budget, is_whole)

    def _dimensions(self) -> list[Dimension]:
        device = self.setup.device
        return dimensions(self.settings, self.net, device.torch_device, device.local_size)

    def _is_worth_compiling(self, step_seconds: float) -> bool:
        """Say whether a run is so long that trying to compile takes a small part of it."""
        is_open = "speed.compile" in open_keys(self.settings)
        return is_open and self.planned_seconds(step_seconds) >= _COMPILING_SECONDS

    def _choose_workers(self, choice: dict[str, Any], trial: Trial, candidates: Candidates) -> list[dict[str, Any]]:
        """Add the number of workers to a choice, and return what was measured."""

        def measure(count: int) -> float:
            return candidates.throughput(choice | {"pipeline.num_workers": count})

        rates = choose_workers(worker_counts(self._cores), measure, lambda: trial.left)
        choice["pipeline.num_workers"] = chosen = best_workers(rates)
        return [
            {
                "setting": describe("pipeline.num_workers", count),
                "ms": float(f"{1e3 / rate:.4g}"),
                "verdict": "chosen" if count == chosen else f"{rates[chosen] / rate:.2f} times as long",
            }
            for count, rate in rates.items()
        ]


def _is_tuned(settings: Settings, device: Device) -> bool:
    """Say whether the number of threads is chosen by the step; else it is that of the cores, as torch has it."""
    return settings.speed.kind == "auto" and device.torch_device.type == "cpu"


def _with_pipeline(settings: Settings, setup: Setup) -> Settings:
    """Return the settings with ``pipeline=auto`` replaced: resident where the data fits, else workers."""
    if settings.pipeline.kind != "auto":
        return settings
    is_resident = why_not_resident([setup.splits.train, setup.splits.val], setup.device) is None
    return with_choice(settings, {"pipeline.kind": "resident" if is_resident else "workers"})


def _with_answer(settings: Settings, answer: Answer, is_known: bool) -> Settings:
    """Return the settings with an answer, and with how it came about; and log that."""
    keys = set(open_keys(settings))
    choice = {key: value for key, value in answer.choice.items() if key in keys}
    found: dict[str, Any] = {"by": "known" if is_known and answer.by == "measured" else answer.by, "rows": answer.rows}
    if answer.step_seconds is not None:
        found["step_ms"] = float(f"{1e3 * answer.step_seconds:.4g}")
    log.info(f"auto: {', '.join(describe(key, value) for key, value in choice.items())} ({_how(found)})")
    if answer.was_busy and not is_known:
        log.info(f"auto: the machine was busy meanwhile: the trial got {answer.cpu_share:.0%} of the CPU time")
    return with_choice(settings, choice | {"speed.found": found})


def _how(found: dict[str, Any]) -> str:
    """Return in words how an answer came about."""
    if found["by"] == "rule":
        return "by rule: the run is too short to measure"
    return "measured" if found["by"] == "measured" else "measured before"


@contextmanager
def _nothing_left_behind(settings: Settings) -> Iterator[None]:
    """Give torch its threads and its generators back after a block, and free the memory that it took."""
    threads = torch.get_num_threads()
    try:
        with seeded(settings.seed, "trial"):
            yield
    finally:
        torch.set_num_threads(threads)
        memory.release_unused()


@contextmanager
def _kernels_of(settings: Settings) -> Iterator[None]:
    """Let torch use the kernels of a run for the duration of a block."""
    before = torch.are_deterministic_algorithms_enabled()
    torch.use_deterministic_algorithms(settings.deterministic)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before)
