"""What a network predicts: its outputs as probabilities, or as numbers in the unit of the targets."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn

from fastrun.components.task import TargetUnits, Task


class Prediction(nn.Module):
    """Makes probabilities or numbers of a network's outputs.

    Args:
        task: the task.
        loss: the ``_target_`` of the loss that the network was trained with.
    """

    def __init__(self, task: Task, loss: str | None) -> None:
        super().__init__()
        self.units = TargetUnits(task) if task.name == "regression" else nn.Identity()
        self.finish = _finish(task, loss)

    def forward(self, outputs: Tensor) -> Tensor:
        """Return probabilities of classes or labels in the shape of the outputs, or numbers in the targets' unit."""
        return self.finish(self.units(outputs))


def _finish(task: Task, loss: str | None) -> Callable[[Tensor], Tensor]:
    if task.name in ("regression", "image_to_image"):
        return _unchanged
    if task.name == "multilabel" or loss == "bce":  # each class was trained against all others
        return torch.sigmoid
    if loss == "mse":  # the outputs were trained to be 0 or 1
        return partial(torch.clamp, min=0, max=1)
    return partial(torch.softmax, dim=-1 if task.name == "language" else 1)


def _unchanged(outputs: Tensor) -> Tensor:
    return outputs
