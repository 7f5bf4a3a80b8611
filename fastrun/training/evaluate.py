"""Evaluating the network of a checkpoint on a split of its data, and loading it for a user."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from fastrun.components.amp.precision import choose_precision
from fastrun.components.metrics import Metrics
from fastrun.components.pipeline import Batch
from fastrun.components.task import TargetUnits
from fastrun.components.test_time_augmentation import averaged_logits
from fastrun.config.resolved import Resolved
from fastrun.config.settings import Settings
from fastrun.errors import CheckpointError, ConfigError
from fastrun.storage.checkpoint.io import load
from fastrun.storage.checkpoint.state import network_weights
from fastrun.training.builders.loaders import build_eval_loader
from fastrun.training.builders.loss import build_loss
from fastrun.training.builders.model import build_network
from fastrun.training.builders.setup import Setup, set_up


def evaluate(settings: Settings, checkpoint: Path, split: str) -> dict[str, float]:
    """Measure the network of a checkpoint on a split.

    Args:
        settings: the settings of the run that wrote the checkpoint.
        checkpoint: the path of the checkpoint.
        split: ``train``, ``val`` or ``test``.

    Returns:
        The value of each metric by name, such as ``test/acc``.

    Raises:
        ConfigError: the data has no such split.
        CheckpointError: the checkpoint cannot be read or holds another network.
    """
    setup = set_up(settings)
    samples = getattr(setup.splits, split)
    if samples is None:
        raise ConfigError(f"this data has no {split} split", "use --split val")
    device, task = setup.device.torch_device, setup.splits.task
    net = load_network(settings, setup, checkpoint).to(device).eval()
    precision = choose_precision(settings.amp.kind, device)
    metrics = Metrics(task, build_loss(settings, task)).to(device)

    def outputs() -> Iterator[Batch]:
        for x, y in build_eval_loader(settings, setup, samples):
            with precision.autocast():
                logits = averaged_logits(net, x, settings.views)
            yield logits, y

    with torch.inference_mode():
        return {f"{split}/{name}": value for name, value in metrics.measure(outputs()).items()}


def load_model(settings: Settings, checkpoint: Path) -> nn.Module:
    """Return the network of a checkpoint on the CPU, in evaluation mode.

    Returns:
        A module that takes unscaled samples ``[batch, …]``, as the data set holds them.

    Raises:
        CheckpointError: the checkpoint cannot be read or holds another network.
    """
    setup = set_up(settings)
    net = load_network(settings, setup, checkpoint)
    units = [TargetUnits(setup.splits.task)] if setup.splits.task.name == "regression" else []
    return nn.Sequential(setup.scaling, net, *units).eval()


def load_network(settings: Settings, setup: Setup, checkpoint: Path) -> nn.Module:
    """Return the network of a run on the CPU, with the weights of a checkpoint.

    Raises:
        CheckpointError: the checkpoint cannot be read or holds another network.
    """
    net = build_network(settings, setup, Resolved({}))
    weights = network_weights(load(checkpoint), str(checkpoint))
    try:
        net.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{checkpoint} holds another network: {reason}") from error
    return net
