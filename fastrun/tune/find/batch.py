"""``find batch``: the largest batch that fits, the smallest with full throughput, and the critical one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from fastrun.components.batch.size_search import BatchSizeResult
from fastrun.components.data.splits import size_of
from fastrun.config.resolved import Resolved
from fastrun.errors import DataError
from fastrun.training.builders.batch_size import measure_sizes
from fastrun.training.builders.parts import build_parts
from fastrun.tune.find.critical import SMALLER, Branch, Branching, factor_of, scaling_rule
from fastrun.tune.find.effort import Effort, plan_effort
from fastrun.tune.find.meter import Meter
from fastrun.tune.find.subject import Subject

LEAST_SAMPLES = 64  # of a training set whose batches can be compared
_LEAST_STEPS, _MOST_STEPS = 30, 100  # before branching, and of the present size after it
_MOST_SEEDS = 3  # the loss is measured on the same samples for each size, so the orders of samples differ little
_WORK = 9  # branches of all sizes cost about so many times the steps of the present one


@dataclass(frozen=True)
class BatchResult:
    """A suggested batch size.

    Attributes:
        sizes: the throughput of the sizes that were timed.
        is_whole_set: whether the largest of them is about the whole training set.
        branches: the samples that sizes need for the same progress, by size.
        critical: the largest size that needs at most twice the fewest samples.
        is_at_least: whether a larger size could not be measured, so the critical one may be larger.
        rule: how the rates follow the size, ``sqrt`` or ``linear``.
        steps: the steps before branching.
        size: the suggestion.
        overrides: what sets it and its rates.
    """

    sizes: BatchSizeResult
    is_whole_set: bool
    branches: list[Branch]
    critical: int
    is_at_least: bool
    rule: str
    steps: int
    size: int
    overrides: list[str]


def find_batch(subject: Subject, meter: Meter, *, seeds: int | None = None, steps: int | None = None) -> BatchResult:
    """Suggest a batch size.

    Args:
        subject: the run.
        meter: counts the steps.
        seeds: the orders of samples to try each size with; None chooses by the cost of a step.
        steps: the steps before branching, and of the present size after it; None chooses by the cost of a step.

    Raises:
        DataError: the training set is too small.
        ConfigError: not even the smallest size fits into memory, or the loss does not fall.
    """
    samples = size_of(subject.setup.splits.train)
    if samples < LEAST_SAMPLES:
        raise DataError(
            f"the training set has only {samples} samples", f"batches are compared on {LEAST_SAMPLES} or more"
        )
    meter.begin("throughput")
    sizes = measure_sizes(subject.settings, subject.setup, samples, to_the_limit=True)
    meter.step(0)
    effort = _plan(subject, seeds, steps)
    optimizer = build_parts(subject.settings, subject.setup, Resolved({})).update.optimizer
    rule = scaling_rule(subject.settings, optimizer)
    branching = Branching(subject, rule, effort.steps, effort.seeds, meter)
    is_at_least = _measure_branches(branching)
    critical = max(branch.size for branch in branching.branches if branching.is_efficient(branch))
    size = min(sizes.size, critical)
    return BatchResult(
        sizes=sizes,
        is_whole_set=2 * max(sizes.throughput) > samples,
        branches=branching.branches,
        critical=critical,
        is_at_least=is_at_least,
        rule=rule,
        steps=effort.steps,
        size=size,
        overrides=[f"batch.size={size}", *_rates(subject, factor_of(rule, size / subject.settings.batch.size))],
    )


def _plan(subject: Subject, seeds: int | None, steps: int | None) -> Effort:
    most = min(_MOST_STEPS, subject.plan.total_steps)
    effort = plan_effort(subject.seconds_per_step, most, _WORK, seeds=seeds, steps=steps, least=_LEAST_STEPS)
    return Effort(seeds or min(_MOST_SEEDS, effort.seeds), effort.steps)


def _measure_branches(branching: Branching) -> bool:
    """Measure smaller sizes, then larger ones up to one that needs too many samples.

    Returns:
        Whether the largest size that could be measured needs no more than twice the fewest samples.
    """
    size, part = branching.present, SMALLER
    while part > 1:
        if size // part >= 2:
            branching.measure(size // part)
        part //= 2
    while branching.can_measure(size := 2 * size):
        if not branching.is_efficient(branching.measure(size)):
            return False
    return branching.is_efficient(branching.branches[-1])


def _rates(subject: Subject, factor: float) -> list[str]:
    """Return what multiplies the optimizer's rates by a factor; nothing where they follow the batch size already."""
    if subject.settings.batch.lr_scaling != "none" or factor == 1:
        return []
    config: dict[str, Any] = subject.settings.optimizer
    rates = {name: value for name, value in config.items() if name == "lr" or name.endswith("_lr")}
    return [f"optimizer.{name}={value * factor:.3g}" for name, value in rates.items() if value]
