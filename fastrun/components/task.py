"""The task that a network learns, which follows from the form of the targets: classes, numbers, masks, images, text."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

Loss = Callable[[Tensor, Tensor], Tensor]
Name = Literal["classification", "multilabel", "language", "segmentation", "regression", "image_to_image", "own"]


@dataclass(frozen=True)
class Task:
    """A task, and the number of outputs that a network needs for it.

    Attributes:
        name: the task.
        outputs: the number of classes, labels or different tokens; of numbers per sample; or of channels of an image.
        mean: the mean of the training targets, for each number; empty unless the task is regression.
        std: their standard deviation, which is the unit of the loss, so that learning rates do not depend on the data.
        ignore_index: the value of a mask's pixels that belong to no class; None unless the task is segmentation.
        target_shape: the shape of a target; empty unless the task is image to image.
        data_range: the largest value of the training targets less the smallest one; 0 unless it is image to image.
    """

    name: Name
    outputs: int
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    ignore_index: int | None = None
    target_shape: tuple[int, ...] = ()
    data_range: float = 0.0

    @property
    def vocabulary(self) -> int | None:
        """Return the number of different tokens; None if the data is not text."""
        return self.outputs if self.name == "language" else None

    @property
    def is_dense(self) -> bool:
        """Say whether a target has a value for each pixel."""
        return self.name in ("segmentation", "image_to_image")

    @property
    def needs(self) -> str | None:
        """Return what kind of network the task needs, as a hint; None where the built-in ones fit."""
        if not self.is_dense:
            return None
        found = "masks" if self.name == "segmentation" else "images"
        return f"{found} as targets need a network of your own that returns a value for each pixel: model=mine"

    def shape(self, batch: int, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape that a network's outputs must have for a batch of samples of the shape ``in_shape``."""
        if self.name == "language":
            return batch, *in_shape, self.outputs
        if self.name == "segmentation":
            return batch, self.outputs, *in_shape[1:]
        return (batch, *self.target_shape) if self.name == "image_to_image" else (batch, self.outputs)

    def loss(self, loss: Loss) -> Loss:
        """Return the loss as a function of a network's outputs and the targets of a batch.

        Args:
            loss: the loss to call. For classes it gets outputs ``[n, classes]`` and targets ``[n]``, and for text
                the same with each token as a sample. For several labels it gets outputs and targets ``[n, labels]``,
                which are floats. For numbers it gets outputs and targets ``[n]``, or ``[n, outputs]`` if there are
                several, in standard deviations. For masks it gets outputs ``[n, classes, height, width]`` and
                targets ``[n, height, width]``, and for images both in the shape of the targets.
        """
        if self.name == "language":
            return SequenceLoss(loss)
        if self.name == "multilabel":
            return MultilabelLoss(loss)
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


class MultilabelLoss(nn.Module):
    """A loss of several labels, which gets the targets as floats."""

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return the loss of logits and targets, both ``[batch, labels]``."""
        return self.loss(outputs.float(), y.float())


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
