"""Measuring the network of a checkpoint on a split of the run's data, or on other data."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from fastrun.components.data.splits import Samples
from fastrun.components.metrics import Metrics
from fastrun.components.pipeline import Batch
from fastrun.config.settings import Settings
from fastrun.errors import ConfigError
from fastrun.system.memory import evaluating
from fastrun.training.builders.data import load_new_samples, load_splits
from fastrun.training.builders.loaders import build_eval_loader
from fastrun.training.builders.loss import build_loss
from fastrun.training.trained.forward import Forward, in_one_process
from fastrun.training.trained.model import TrainedNetwork, load_network

_Result = TypeVar("_Result")


def evaluate(
    settings: Settings, checkpoint: Path, split: str | None, *, is_new_data: bool = False, anyway: bool = False
) -> dict[str, float]:
    """Measure the network of a checkpoint on the whole of a split, also where the run had several processes.

    Args:
        settings: the settings of the run that wrote the checkpoint; with other data, its arguments.
        checkpoint: the path of the checkpoint.
        split: ``train``, ``val`` or ``test``; None for ``test``, or for all samples of other data.
        is_new_data: whether the settings name other data than the run's. It is prepared as the run prepared its own;
            unless its factory splits it, all of its samples are measured, as the split ``new``.
        anyway: measure the run's own data even if it has changed since the run was trained.

    Returns:
        The value of each metric by name, such as ``test/acc``.

    Raises:
        ConfigError: the data has no such split.
        CheckpointError: the checkpoint cannot be read or holds another network.
        DataError: the data has changed, or is of another kind than the run's.
        OutOfMemory: the device is full.
    """
    settings = in_one_process(settings)
    trained = load_network(checkpoint, settings)
    if is_new_data:
        split, samples = load_new_samples(settings, trained.learned, split)
    else:
        split = split or "test"
        samples = getattr(load_splits(settings, trained.learned, anyway=anyway), split)
        if samples is None:
            raise ConfigError(f"this data has no {split} split", "use --split val")
    return {f"{split}/{name}": value for name, value in _measure(trained, samples).items()}


def count_predictions(settings: Settings, checkpoint: Path, split: str) -> list[list[int]]:
    """Return the confusion matrix of a classification on a split of the run's own data.

    Args:
        settings: the settings of the run that wrote the checkpoint.
        checkpoint: the path of the checkpoint.
        split: ``train``, ``val`` or ``test``.

    Returns:
        The number of samples by label (rows) and prediction (columns).

    Raises:
        ConfigError: the data has no such split.
        CheckpointError: the checkpoint cannot be read or holds another network.
        DataError: the data has changed since the run was trained.
        OutOfMemory: the device is full.
    """
    settings = in_one_process(settings)
    trained = load_network(checkpoint, settings)
    samples = getattr(load_splits(settings, trained.learned), split)
    if samples is None:
        raise ConfigError(f"this data has no {split} split")
    classes = trained.learned.task.outputs

    def count(outputs: Iterator[Batch], device: torch.device) -> Tensor:
        counts = torch.zeros(classes**2, dtype=torch.int64, device=device)
        for logits, y in outputs:
            counts += torch.bincount(y.long() * classes + logits.argmax(1), minlength=classes**2)
        return counts.view(classes, classes)

    matrix: list[list[int]] = _consume(trained, samples, count).tolist()
    return matrix


def _measure(trained: TrainedNetwork, samples: Samples) -> dict[str, float]:
    task = trained.learned.task
    metrics = Metrics(task, build_loss(trained.settings, task))
    return _consume(trained, samples, lambda outputs, device: metrics.to(device).measure(outputs))


def _consume(
    trained: TrainedNetwork, samples: Samples, consume: Callable[[Iterator[Batch], torch.device], _Result]
) -> _Result:
    """Return what a function makes of a network's outputs and the targets, batch by batch, and of the device."""
    forward = Forward(trained)
    loader = build_eval_loader(trained.settings, forward.device, trained.learned, samples)
    outputs = ((forward(x), y) for x, y in loader)
    with torch.inference_mode(), evaluating(loader.size):
        return consume(outputs, forward.device.torch_device)
