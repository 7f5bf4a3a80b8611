"""What a network is to learn, read off the targets: a class, a number, or the next token of a sequence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

Loss = Callable[[Tensor, Tensor], Tensor]
Name = Literal["classification", "language", "regression"]


@dataclass(frozen=True)
class Task:
    """A task and how many outputs a network needs for it.

    Attributes:
        name: the task.
        outputs: classes, different tokens, or numbers a sample.
        mean: of the training targets, for each number, in regression.
        std: their standard deviation: losses are in units of it, so that learning rates do not depend on the unit.
    """

    name: Name
    outputs: int
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()

    @property
    def vocabulary(self) -> int | None:
        """Return how many different tokens a sample is made of; None where it is not made of tokens."""
        return self.outputs if self.name == "language" else None

    def shape(self, batch: int, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        """Return the shape that a network's outputs must have for a batch."""
        return (batch, *in_shape, self.outputs) if self.name == "language" else (batch, self.outputs)

    def loss(self, loss: Loss) -> Loss:
        """Return the loss of a network's outputs and a batch's targets.

        The given one sees ``[n, classes]`` and ``[n]`` for classes, each place of a sequence as a sample, and for
        numbers ``[n]`` and ``[n]`` (``[n, outputs]`` where there are several), in standard deviations.
        """
        if self.name == "language":
            return Flat(loss)
        return Scaled(loss, self) if self.name == "regression" else loss


class Flat(nn.Module):
    """A loss over every place of sequences."""

    def __init__(self, loss: Loss) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return the loss of outputs ``[batch, length, tokens]`` and tokens ``[batch, length]``."""
        return self.loss(outputs.flatten(0, 1), y.flatten())


class Scaled(nn.Module):
    """A loss over numbers in units of their standard deviation."""

    def __init__(self, loss: Loss, task: Task) -> None:
        super().__init__()
        self.loss, self.units = loss, Units(task)

    def forward(self, outputs: Tensor, y: Tensor) -> Tensor:
        """Return the loss of outputs ``[batch, numbers]``, in standard deviations, and targets in their own unit."""
        wanted = self.units.scaled(y)
        return self.loss(outputs.view_as(wanted), wanted)


class Units(nn.Module):
    """The unit of a regression's targets, against that of the network's outputs; called, from outputs to targets."""

    mean: Tensor
    std: Tensor

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(task.mean), persistent=False)
        self.register_buffer("std", torch.tensor(task.std), persistent=False)

    def scaled(self, y: Tensor) -> Tensor:
        """Return targets ``[batch]`` or ``[batch, numbers]`` in standard deviations from their mean."""
        return (y - self.mean) / self.std

    def forward(self, outputs: Tensor) -> Tensor:
        """Return outputs ``[batch, numbers]`` in the targets' unit."""
        return outputs * self.std + self.mean
