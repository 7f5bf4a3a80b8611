"""The task that a network learns, which follows from the targets: classes, numbers, or the next token of a text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

Loss = Callable[[Tensor, Tensor], Tensor]
Name = Literal["classification", "language", "regression", "own"]


@dataclass(frozen=True)
class Task:
    """A task, and the number of outputs that a network needs for it.

    Attributes:
        name: the task.
        outputs: the number of classes, of different tokens, or of numbers per sample.
        mean: the mean of the training targets, for each number; empty unless the task is regression.
        std: their standard deviation, which is the unit of the loss, so that learning rates do not depend on the data.
    """

    name: Name
    outputs: int
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    @property
    def vocabulary(self) -> int | None:
        """Return the number of different tokens; None if the data is not text."""
        return self.outputs if self.name == "language" else None

    def shape(self, batch: int, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape that a network's outputs must have for a batch of samples of the shape ``in_shape``."""
        return (batch, *in_shape, self.outputs) if self.name == "language" else (batch, self.outputs)

    def loss(self, loss: Loss) -> Loss:
        """Return the loss as a function of a network's outputs and the targets of a batch.

        Args:
            loss: the loss to call. For classes it gets outputs ``[n, classes]`` and targets ``[n]``, and for text
                the same with each token as a sample. For numbers it gets outputs and targets ``[n]``, or
                ``[n, outputs]`` if there are several, in standard deviations.
        """
        if self.name == "language":
            return SequenceLoss(loss)
        return StandardizedLoss(loss, self) if self.name == "regression" else loss


OWN_TASK = Task("own", 0)
"""The task of a network with a loss of its own, where no task follows from the targets."""


class SequenceLoss(nn.Module):
    """A loss of sequences, with each token as a sample."""

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return the loss of outputs ``[batch, length, tokens]`` and tokens ``[batch, length]``."""
        return self.loss(outputs.flatten(0, 1), y.flatten())


class StandardizedLoss(nn.Module):
    """A loss of numbers, in units of their standard deviation."""

    def __init__(self, loss: Loss, task: Task) -> None:
        super().__init__()
        self.loss, self.units = loss, TargetUnits(task)

    def forward(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return the loss of outputs ``[batch, numbers]``, in standard deviations, and targets in their own unit."""
        targets = self.units.standardize(y)
        return self.loss(outputs.view_as(targets), targets)


class TargetUnits(nn.Module):
    """Converts between the targets of a regression and a network's outputs, which are standardized."""

    mean: Tensor
    std: Tensor

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(task.mean), persistent=False)
        self.register_buffer("std", torch.tensor(task.std), persistent=False)

    def standardize(self, y: Tensor) -> Tensor:
        """Return targets ``[batch]`` or ``[batch, numbers]`` in standard deviations from their mean."""
        return (y - self.mean) / self.std

    def forward(self, outputs: Tensor) -> Tensor:
        """Return outputs ``[batch, numbers]`` in the unit of the targets."""
        return outputs * self.std + self.mean
