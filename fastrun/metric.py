"""What a validation measures for each task, with torchmetrics, without a Python call a batch.

Outputs are collected on the device and handed to the metrics in few large pieces; the results come to the host in one
transfer. Under several processes torchmetrics adds up the counts of all.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torchmetrics import MeanAbsoluteError, MeanSquaredError, Metric, R2Score
from torchmetrics.classification import MulticlassStatScores

from fastrun.errors import ConfigError, nearest
from fastrun.judging import NAMES, Known, judged
from fastrun.task import Loss, Task, Units

__all__ = ["Known", "Metrics", "chosen", "judged", "known", "names"]

_PIECE = 1 << 22  # outputs held before the metrics see them
_MANY = 20  # classes from which on the best five tell more than the best one


class Mean(Metric):
    """A mean over samples of means over batches."""

    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros(()), "sum")
        self.add_state("count", torch.zeros(()), "sum")

    def update(self, mean: Tensor, count: int) -> None:
        """Take in a batch's mean and its size."""
        self.total += mean * count
        self.count += count

    def compute(self) -> Tensor:
        """Return the mean over all."""
        return self.total / self.count


class Measure(Protocol):
    """Measures one task; ``compute`` has the order of the task's names."""

    def update(self, outputs: Tensor, y: Tensor) -> None:
        """Take in a piece of the set."""

    def compute(self) -> list[Tensor]:
        """Return the values."""


class Classes(nn.Module):
    """Accuracy, the mean of the classes' F1, and, of many classes, how often the right one is among the best five."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.counts = MulticlassStatScores(task.outputs, average=None, validate_args=False)
        self.top5 = Mean() if task.outputs > _MANY else None

    def update(self, logits: Tensor, y: Tensor) -> None:
        """Take in logits ``[n, classes]`` and labels ``[n]``."""
        self.counts.update(logits, y)
        if self.top5 is not None:
            self.top5.update((logits.topk(5).indices == y.unsqueeze(1)).any(1).float().mean(), len(y))

    def compute(self) -> list[Tensor]:
        """Return accuracy, F1 over the classes that came up or were guessed, and the share of the best five."""
        right, wrong, _, missed, count = self.counts.compute().float().unbind(1)
        total = 2 * right + wrong + missed
        f1 = (2 * right / total.clamp_min(1)).sum() / (total > 0).sum()
        return [right.sum() / count.sum(), f1, *([self.top5.compute()] if self.top5 is not None else [])]


class Tokens(nn.Module):
    """Perplexity, e to the cross-entropy, and the share of tokens guessed right."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.entropy, self.right = Mean(), Mean()

    def update(self, outputs: Tensor, y: Tensor) -> None:
        """Take in outputs ``[n, length, tokens]`` and tokens ``[n, length]``."""
        logits, tokens = outputs.flatten(0, 1).float(), y.flatten().long()
        self.entropy.update(cross_entropy(logits, tokens), len(tokens))
        self.right.update((logits.argmax(1) == tokens).float().mean(), len(tokens))

    def compute(self) -> list[Tensor]:
        """Return perplexity and accuracy."""
        return [self.entropy.compute().exp(), self.right.compute()]


class Numbers(nn.Module):
    """The share of the targets' variance explained, and the error in the targets' own unit."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.units = Units(task)
        self.r2 = R2Score()
        self.rmse = MeanSquaredError(squared=False)
        self.mae = MeanAbsoluteError()

    def update(self, outputs: Tensor, y: Tensor) -> None:
        """Take in outputs ``[n, numbers]`` and targets ``[n]`` or ``[n, numbers]``."""
        self.r2.update(outputs.float().view_as(y), self.units.scaled(y))  # sums of squares lose digits far from zero
        guessed = self.units(outputs.float()).view_as(y)
        self.rmse.update(guessed, y)
        self.mae.update(guessed, y)

    def compute(self) -> list[Tensor]:
        """Return R², root mean squared error and mean absolute error."""
        return [self.r2.compute(), self.rmse.compute(), self.mae.compute()]


_MEASURES: dict[str, type[nn.Module]] = {"classification": Classes, "language": Tokens, "regression": Numbers}


def names(task: Task) -> tuple[str, ...]:
    """Return what is measured for a task, the loss first, then what the task is judged by."""
    return "loss", *(name for name in NAMES[task.name] if name != "top5" or task.outputs > _MANY)


class Metrics(nn.Module):
    """Loss and the task's metrics over a set."""

    def __init__(self, task: Task, loss: Loss) -> None:
        super().__init__()
        self.names = names(task)
        self.loss, self.mean_loss = loss, Mean()
        self.measures = cast(Measure, _MEASURES[task.name](task))

    def measure(self, outputs: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
        """Return the metrics over pairs of a network's outputs and targets, a batch each."""
        for metric in self.modules():
            if isinstance(metric, Metric):
                metric.reset()
        held: list[tuple[Tensor, Tensor]] = []
        size = 0
        for out, y in outputs:
            held.append((out, y))
            size += out.numel()
            if size >= _PIECE:
                self._update(held)
                held, size = [], 0
        if held:
            self._update(held)
        values = torch.stack([self.mean_loss.compute(), *self.measures.compute()]).tolist()
        return dict(zip(self.names, values, strict=True))

    def _update(self, held: list[tuple[Tensor, Tensor]]) -> None:
        outputs, y = (torch.cat(parts) for parts in zip(*held, strict=True))
        self.mean_loss.update(self.loss(outputs.float(), y), len(y))
        self.measures.update(outputs, y)


def known(task: Task) -> dict[str, Known]:
    """Return a task's validation metrics by name, such as ``val/acc``."""
    return {f"val/{name}": Known.of(f"val/{name}") for name in names(task)}


def chosen(name: str | None, task: Task, key: str) -> Known:
    """Return a validation metric by name, or what the task is judged by where the name is None.

    Raises:
        ConfigError: nothing of that name is measured.
    """
    metrics = known(task)
    if name is None:
        name = f"val/{names(task)[1]}"
    if name not in metrics:
        raise ConfigError(f"{key}={name} is not measured", nearest(name, metrics) or f"there are {', '.join(metrics)}")
    return metrics[name]
