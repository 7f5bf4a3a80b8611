"""The overrides that may help a training, by its bottleneck. Whether they do is measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from fastrun.components.data.splits import size_of
from fastrun.components.pipeline.resident import ResidentLoader
from fastrun.components.pipeline.workers import WorkerLoader
from fastrun.config.settings import Settings
from fastrun.system.cores import allowed_cores
from fastrun.training.builders.loaders import why_not_resident
from fastrun.tune.auto.dimensions import rows_of, with_choice
from fastrun.tune.diagnose.shares import Measured
from fastrun.tune.diagnose.trial import Trial
from fastrun.tune.diagnose.verdict import LIMITS

_LARGER = 4  # times the batch that is tried
_STRETCHES = 2, 5, 10, 20, 50, 100, 200, 500, 1000  # of the time between two validations or checkpoints
_ENOUGH = 0.5  # of a part's limit: what is left of validations or checkpoints
_LEARNING = "a larger batch changes what is learned; the learning rate may have to follow: batch.lr_scaling=sqrt"
_LOST_WORK = "with fewer checkpoints a crash costs more"


@dataclass(frozen=True)
class Candidate:
    """Values that may make a training faster.

    Attributes:
        changes: the values by dotted key; the choice of a group is its key ``kind``.
        caution: what else the values change, in words; empty where they change nothing but the time.
    """

    changes: dict[str, Any]
    caution: str = ""

    @property
    def overrides(self) -> list[str]:
        """Return the values as overrides of a command line: ``pipeline=workers``, ``pipeline.num_workers=4``."""
        return list(rows_of(self.changes))

    def apply(self, settings: Settings) -> Settings:
        """Return settings with these values."""
        return with_choice(settings, self.changes)


def candidates(bottlenecks: Sequence[str], trial: Trial, measured: Measured) -> list[Candidate]:
    """Return what may help, each value once.

    Args:
        bottlenecks: the names of the bottlenecks.
        trial: the training.
        measured: what was measured of it.
    """
    found: list[Candidate] = []
    for name in bottlenecks:
        found += [candidate for candidate in _BY_BOTTLENECK[name](trial, measured) if candidate not in found]
    return found


def _for_input(trial: Trial, measured: Measured) -> Iterator[Candidate]:
    splits = trial.parts.setup.splits
    can_be_resident = why_not_resident([splits.train, splits.val], trial.parts.setup.device) is None
    if can_be_resident and not isinstance(trial.loader, ResidentLoader):
        yield Candidate({"pipeline.kind": "resident"})
    now = trial.workers if isinstance(trial.loader, WorkerLoader) else None
    cores = allowed_cores()
    for count in dict.fromkeys((cores, 2 * cores, max(1, cores // 2))):
        if count != now:
            yield Candidate({"pipeline.kind": "workers", "pipeline.num_workers": count})


def _for_compute(trial: Trial, measured: Measured) -> Iterator[Candidate]:
    yield from _precision(trial)
    yield from _threads(trial)
    if trial.settings.speed.kind == "plain":
        yield Candidate({"speed.kind": "auto"})
    if any(isinstance(module, torch.nn.Conv2d) for module in trial.parts.net.modules()):
        yield Candidate({"speed.channels_last": trial.stepper.memory_format is None})


def _precision(trial: Trial) -> Iterator[Candidate]:
    is_full = trial.parts.update.precision.name == "32-true"
    yield Candidate({"amp.kind": "bf16" if is_full else "off"}, "another precision rounds otherwise")


def _threads(trial: Trial) -> Iterator[Candidate]:
    """Yield one thread for the operations on a CPU, or all that there may be."""
    cores = allowed_cores()
    if trial.device.type == "cpu" and cores > 1:
        yield Candidate({"speed.threads": 1 if trial.threads > 1 else cores})


def _for_host(trial: Trial, measured: Measured) -> Iterator[Candidate]:
    if trial.parts.update.precision.name != "32-true":
        yield from _precision(trial)
    yield from _threads(trial)
    if trial.settings.speed.kind == "plain":
        yield Candidate({"speed.kind": "auto"})
    if trial.settings.speed.compile:
        yield Candidate({"speed.compile": False})
    size = _LARGER * trial.settings.batch.size
    if size <= size_of(trial.parts.setup.splits.train):
        yield Candidate({"batch.size": size}, _LEARNING)


def _for_validation(trial: Trial, measured: Measured) -> Iterator[Candidate]:
    size, samples = trial.parts.loaders.val.size, size_of(trial.parts.setup.splits.val)
    if size < samples:
        yield Candidate({"batch.eval_size": min(_LARGER * size, samples)})
    plan = measured.plan

    def share(every: int) -> float:
        return replace(measured, plan=replace(plan, val_every=every)).shares()["validation"]

    yield from _less_often("val_every", plan.val_every, measured, share, LIMITS["validation"])


def _for_checkpoint(trial: Trial, measured: Measured) -> Iterator[Candidate]:
    plan = measured.plan
    if measured.save_minutes:
        yield Candidate({"checkpoint.every": f"{10 * measured.save_minutes:g}min"}, _LOST_WORK)
        return

    def share(every: int) -> float:
        return replace(measured, plan=replace(plan, save_every=every)).shares()["checkpoint"]

    for found in _less_often("checkpoint.every", plan.save_every, measured, share, LIMITS["checkpoint"]):
        yield replace(found, caution=_LOST_WORK)


def _less_often(
    key: str, every: int, measured: Measured, share: Callable[[int], float], limit: float
) -> Iterator[Candidate]:
    """Yield the duration after which something happens seldom enough, if it is to happen more than once in the run.

    Args:
        key: the key of the duration.
        every: the steps that it has now.
        measured: what was measured.
        share: returns the share of the run's time, for a number of steps.
        limit: the share from which on it is a bottleneck.
    """
    total, epoch = measured.plan.total_steps, measured.plan.steps_per_epoch
    longer = [every * factor for factor in _STRETCHES if every * factor < total]
    enough = next((steps for steps in longer if share(steps) <= _ENOUGH * limit), total)
    if enough > every:
        text = "100%" if enough == total else f"{enough // epoch}ep" if enough % epoch == 0 else str(enough)
        yield Candidate({key: text})


def _for_busy(trial: Trial, measured: Measured) -> Iterator[Candidate]:
    yield from _threads(trial)


_BY_BOTTLENECK: dict[str, Callable[[Trial, Measured], Iterator[Candidate]]] = {
    "input-bound": _for_input,
    "compute-bound": _for_compute,
    "host-bound": _for_host,
    "validation-bound": _for_validation,
    "checkpoint-bound": _for_checkpoint,
    "busy machine": _for_busy,
}
