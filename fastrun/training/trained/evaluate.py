"""Measuring the network of a checkpoint on a split of the run's data, or on other data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from fastrun.components.amp.precision import choose_precision
from fastrun.components.data.learned import DataState
from fastrun.components.data.splits import Samples, size_of
from fastrun.components.device.device import choose_device
from fastrun.components.metrics import Metrics
from fastrun.components.pipeline import Batch
from fastrun.config.settings import Settings
from fastrun.errors import ConfigError
from fastrun.system.memory import evaluating
from fastrun.training.builders.data import load_new_samples, load_splits
from fastrun.training.builders.loaders import build_eval_loader
from fastrun.training.builders.loss import build_loss
from fastrun.training.builders.metrics import build_extra
from fastrun.training.objective.lightning_module import has_own_loss
from fastrun.training.objective.own_steps import OwnSteps
from fastrun.training.objects import NONE, Objects
from fastrun.training.trained.findings import Collector, Findings
from fastrun.training.trained.forward import Forward, in_one_process
from fastrun.training.trained.model import TrainedNetwork, load_network

Watch = Callable[[TrainedNetwork, Samples, Iterator[Batch]], Iterator[Batch]]


@dataclass(frozen=True)
class Evaluation:
    """What was measured of a network.

    Attributes:
        split: the split that it was measured on.
        samples: the number of samples.
        metrics: the value of each metric by name, such as ``test/acc``.
        findings: what was found beside the metrics.
    """

    split: str
    samples: int
    metrics: dict[str, float]
    findings: Findings

    def plain(self) -> dict[str, Any]:
        """Return what was measured as JSON has it."""
        return {**self.metrics, "split": self.split, "samples": self.samples} | self.findings.plain()


def evaluate(
    settings: Settings, checkpoint: Path, split: str | None, *, is_new_data: bool = False, anyway: bool = False
) -> dict[str, float]:
    """Return the value of each metric by name, such as ``test/acc``; see :func:`examine`."""
    return examine(settings, checkpoint, split, is_new_data=is_new_data, anyway=anyway).metrics


def examine(
    settings: Settings,
    checkpoint: Path,
    split: str | None,
    *,
    is_new_data: bool = False,
    anyway: bool = False,
    watch: Watch | None = None,
    objects: Objects = NONE,
) -> Evaluation:
    """Measure the network of a checkpoint on the whole of a split, also where the run had several processes.

    Args:
        settings: the settings of the run that wrote the checkpoint; with other data, its arguments.
        checkpoint: the path of the checkpoint.
        split: ``train``, ``val`` or ``test``; None for ``test``, or for all samples of other data.
        is_new_data: whether the settings name other data than the run's. It is prepared as the run prepared its own;
            unless its factory splits it, all of its samples are measured, as the split ``new``.
        anyway: measure the run's own data even if it has changed since the run was trained.
        watch: is given the network, the samples, and the batches of outputs and targets; yields these as they are.
        objects: the model and the data, where the run was given them as objects.

    Raises:
        ConfigError: the data has no such split.
        CheckpointError: the checkpoint cannot be read or holds another network.
        DataError: the data has changed, or is of another kind than the run's.
        OutOfMemory: the device is full.
    """
    settings = in_one_process(settings)
    trained = load_network(checkpoint, settings, objects)
    if is_new_data:
        split, samples = load_new_samples(settings, trained.learned, split)
    else:
        split = split or "test"
        samples = getattr(load_splits(settings, trained.learned, anyway=anyway, objects=objects), split)
        if samples is None:
            raise ConfigError(f"this data has no {split} split", "use --split val")
    if has_own_loss(trained.net):
        if watch is not None:
            raise ConfigError("a LightningModule measures itself, so its outputs cannot be averaged", "give one run")
        return _measure_own(trained, split, samples)
    forward = Forward(trained)
    loader = build_eval_loader(settings, forward.device, trained.learned, samples)
    outputs: Iterator[Batch] = ((forward(x), y) for x, y in loader)
    if watch is not None:
        outputs = watch(trained, samples, outputs)
    with torch.inference_mode(), evaluating(loader.size):
        return measure(settings, trained.learned, split, samples, outputs, forward.device.torch_device)


def _measure_own(trained: TrainedNetwork, split: str, samples: Samples) -> Evaluation:
    """Return what a LightningModule measures by its ``validation_step``, or by its ``test_step`` where it has one."""
    device = choose_device(trained.settings.device)
    net = trained.net.to(device.torch_device)
    precision = choose_precision(trained.settings.amp.kind, device.torch_device)
    loader = build_eval_loader(trained.settings, device, trained.learned, samples)
    with torch.inference_mode(), evaluating(loader.size):
        values = OwnSteps(net, precision, is_test=split not in ("train", "val")).measure(net, loader)
    named = {f"{split}/{name}": value for name, value in values.items()}
    return Evaluation(split, size_of(samples), named, Findings())


def measure(
    settings: Settings,
    learned: DataState,
    split: str,
    samples: Samples,
    outputs: Iterator[Batch],
    device: torch.device,
) -> Evaluation:
    """Return what is found in the outputs of a network.

    Args:
        settings: the settings of its run.
        learned: what the run learned from its data.
        split: the split, for the names of the metrics.
        samples: the samples of the split.
        outputs: the outputs for them and their targets, batch by batch.
        device: where these are.
    """
    task = learned.task
    metrics = Metrics(task, build_loss(settings, task), extra=build_extra(settings, task)).to(device)
    collector = Collector(settings, learned)
    values = metrics.measure(collector.watch(outputs))
    named = {f"{split}/{name}": value for name, value in values.items()}
    return Evaluation(split, size_of(samples), named, collector.findings(samples))
