"""A run of a few steps: the run of a config, with its schedule fitted to them, and its loss at the end.

Source: Li et al. 2020, "Budgeted training": what matters in a schedule is that it has decayed by the time that training
ends. So a short run goes through the whole of the schedule. One that is as long as the run takes the run's own steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import islice
from math import inf, isfinite
from typing import Any, cast

import torch
from torch.utils.data import Subset, TensorDataset

from fastrun.components.data.splits import Samples, size_of
from fastrun.components.pipeline.evaluation import EvalLoader
from fastrun.components.schedule import Curve, Watching
from fastrun.components.schedule.resample import resampled
from fastrun.config.duration import to_steps
from fastrun.config.plan import Plan
from fastrun.config.resolved import Resolved
from fastrun.config.settings import CheckpointConfig, EarlyStoppingConfig, Settings, TargetConfig
from fastrun.errors import Diverged
from fastrun.training.builders.loaders import Loaders, build_eval_loader
from fastrun.training.builders.parts import Parts, build_parts
from fastrun.training.objective import monitor_for
from fastrun.training.step import Stepper, StepResult
from fastrun.training.validator import Validator
from fastrun.tune.find.meter import Meter
from fastrun.tune.find.subject import Subject

_LEAST_VALIDATED = 1000  # samples


def short_run(subject: Subject, settings: Settings, steps: int, meter: Meter) -> float:
    """Train a new network for a few steps and return its validation loss; infinity if it diverges.

    Args:
        subject: the run.
        settings: the settings of the run, with another number or seed.
        steps: the steps to take.
        meter: counts them.

    Raises:
        ConfigError: the network cannot be trained with these settings.
    """
    curve = resampled(subject.build_curve(), subject.plan.total_steps, steps)
    parts = build_short(subject, settings, steps, curve)
    stepper = parts.build_stepper()
    batches = _validation_batches(parts, steps)
    watching = curve if isinstance(curve, Watching) else None
    every = max(1, round(steps * subject.plan.val_every / subject.plan.total_steps))
    monitor = monitor_for(settings.target.metric, parts.objective, "target.metric")
    try:
        for result in take_steps(parts, stepper, steps, meter):
            if watching is not None and result.step % every == 0:
                measured = validate(parts, batches, result.step)
                watching.judge(measured[monitor.name], monitor.higher_is_better)
    except Diverged:
        return inf
    loss = validate(parts, batches, steps)["val/loss"]
    return loss if isfinite(loss) and not stepper.nan_guard.found_inf.item() else inf


def build_short(subject: Subject, settings: Settings, steps: int, curve: Curve) -> Parts:
    """Build the parts of a short run: a new network, and what trains it along a curve.

    Args:
        subject: the run.
        settings: the settings of the run, with another number or seed.
        steps: the steps of the short run; durations in steps and epochs are shortened as the run is.
        curve: the factor of the learning rates at each step.
    """
    short = replace(
        settings,
        steps=steps,
        val_every="100%",
        early_stopping=EarlyStoppingConfig(kind="none"),
        checkpoint=CheckpointConfig(kind="none"),
        target=TargetConfig(),
        schedule={"_target_": "constant"},
        transfer=replace(settings.transfer, freeze=_shortened(settings.transfer.freeze, subject.plan, steps)),
        ema=replace(
            settings.ema,
            start=_shortened(settings.ema.start, subject.plan, steps),
            every=_shortened(settings.ema.every, subject.plan, steps, least=1),
        ),
    )
    parts = build_parts(short, subject.setup, Resolved({}))
    return replace(parts, update=parts.update.with_curve(curve))


def _shortened(duration: str, plan: Plan, steps: int, least: int = 0) -> str:
    """Return the part of a short run that a duration is of the run, in steps, ``least`` at least."""
    total = plan.total_steps
    full = to_steps(duration, steps_per_epoch=plan.steps_per_epoch, total_steps=total, key="")
    return str(max(least, round(full * steps / total)))


def take_steps(parts: Parts, stepper: Stepper, steps: int, meter: Meter) -> Iterator[StepResult]:
    """Take the first steps of a training, and yield the result of each.

    Raises:
        Diverged: a loss or a gradient is not finite, and this is known without waiting for the device.
    """
    frozen = parts.update.frozen
    with closing(cast(Any, parts.loaders.train.batches(0))) as batches:
        for step, batch in enumerate(islice(batches, steps)):
            if frozen is not None and frozen.is_frozen and step >= frozen.until:
                frozen.release(parts.update.optimizer)
            yield stepper.step(step, batch)
            meter.step()


def validate(parts: Parts, batches: EvalLoader, step: int) -> dict[str, float]:
    """Return the metrics of the network over batches as a validation of a run measures them, by names as ``val/acc``.

    Args:
        parts: the parts of the training.
        batches: the batches to measure on.
        step: the number of steps that have been taken.
    """
    frozen = parts.update.frozen
    parts.net.eval()
    with torch.inference_mode():
        measured = Validator(replace(parts, loaders=Loaders(parts.loaders.train, batches))).measure(step)
    parts.net.train()
    if frozen is not None and frozen.is_frozen:
        frozen.keep_statistics()
    return measured


def _validation_batches(parts: Parts, steps: int) -> EvalLoader:
    """Return the validation set, or of a large one as many samples as half of those that the short run trains on."""
    samples = parts.setup.splits.val
    most = max(_LEAST_VALIDATED, steps * parts.settings.batch.size // 2)
    if size_of(samples) <= most:
        return parts.loaders.val
    part = parts.settings.batch.size // parts.settings.batch.accumulate
    return build_eval_loader(parts.settings, parts.setup.device, parts.setup.learned, thinned(samples, most), part)


def thinned(samples: Samples, most: int) -> Samples:
    """Return at most so many samples of a set, which are spread evenly over it."""
    every = -(-size_of(samples) // most)
    if isinstance(samples, TensorDataset):
        return cast(Samples, TensorDataset(*(tensor[::every] for tensor in samples.tensors)))
    return Subset(samples, range(0, size_of(samples), every))
