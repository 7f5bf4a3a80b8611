"""The metrics of a validation for each task, computed with torchmetrics.

Outputs are collected on the device and passed to the metrics in a few large chunks, not batch by batch, and all results
come to the host in one transfer. With several processes, torchmetrics sums the counts of all of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torchmetrics import MeanAbsoluteError, MeanSquaredError, Metric, R2Score
from torchmetrics.classification import MulticlassStatScores

from fastrun.components.task import Loss, TargetUnits, Task
from fastrun.config.monitor import NAMES, Monitor

CHUNK_SIZE = 1 << 22  # numbers of outputs that are collected before the metrics are updated
_MANY_CLASSES = 20  # with more classes, top-5 accuracy is measured as well


class Mean(Metric):
    """The mean over samples, from the means of batches."""

    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros(()), "sum")
        self.add_state("count", torch.zeros(()), "sum")

    def update(self, mean: Tensor, count: int) -> None:
        """Add a batch by its mean and its size."""
        self.total += mean * count
        self.count += count

    def compute(self) -> Tensor:
        """Return the mean over all samples."""
        return self.total / self.count


class TaskMetrics(Protocol):
    """The metrics of a task without the loss, in the order of :func:`metric_names`."""

    def update(self, outputs: Tensor, y: Tensor) -> None:
        """Add a chunk of a data set."""

    def compute(self) -> list[Tensor]:
        """Return the values of the metrics."""


class ClassificationMetrics(nn.Module):
    """Accuracy, macro F1 and, if there are many classes, top-5 accuracy."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.counts = MulticlassStatScores(task.outputs, average=None, validate_args=False)
        self.top5 = Mean() if task.outputs > _MANY_CLASSES else None

    def update(self, logits: Tensor, y: Tensor) -> None:
        """Add logits ``[n, classes]`` and labels ``[n]``."""
        self.counts.update(logits, y)
        if self.top5 is not None:
            self.top5.update((logits.topk(5).indices == y.unsqueeze(1)).any(1).float().mean(), len(y))

    def compute(self) -> list[Tensor]:
        """Return accuracy, the mean F1 of the classes that were labels or predictions, and top-5 accuracy."""
        true_pos, false_pos, _, false_neg, count = self.counts.compute().float().unbind(1)
        total = 2 * true_pos + false_pos + false_neg
        f1 = (2 * true_pos / total.clamp_min(1)).sum() / (total > 0).sum()
        return [true_pos.sum() / count.sum(), f1, *([self.top5.compute()] if self.top5 is not None else [])]


class LanguageMetrics(nn.Module):
    """Perplexity, which is the exponential of the cross-entropy, and the accuracy of tokens."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.entropy, self.accuracy = Mean(), Mean()

    def update(self, outputs: Tensor, y: Tensor) -> None:
        """Add outputs ``[n, length, tokens]`` and tokens ``[n, length]``."""
        logits, tokens = outputs.flatten(0, 1).float(), y.flatten().long()
        self.entropy.update(cross_entropy(logits, tokens), len(tokens))
        self.accuracy.update((logits.argmax(1) == tokens).float().mean(), len(tokens))

    def compute(self) -> list[Tensor]:
        """Return the perplexity and the accuracy."""
        return [self.entropy.compute().exp(), self.accuracy.compute()]


class RegressionMetrics(nn.Module):
    """R², and the root mean squared and mean absolute errors in the unit of the targets."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.units = TargetUnits(task)
        self.r2 = R2Score()
        self.rmse = MeanSquaredError(squared=False)
        self.mae = MeanAbsoluteError()

    def update(self, outputs: Tensor, y: Tensor) -> None:
        """Add outputs ``[n, numbers]`` and targets ``[n]`` or ``[n, numbers]``."""
        self.r2.update(outputs.float().view_as(y), self.units.standardize(y))  # raw targets far from 0 lose digits
        predictions = self.units(outputs.float()).view_as(y)
        self.rmse.update(predictions, y)
        self.mae.update(predictions, y)

    def compute(self) -> list[Tensor]:
        """Return R², the root mean squared error and the mean absolute error."""
        return [self.r2.compute(), self.rmse.compute(), self.mae.compute()]


_MEASURES: dict[str, type[nn.Module]] = {
    "classification": ClassificationMetrics,
    "language": LanguageMetrics,
    "regression": RegressionMetrics,
}


def metric_names(task: Task) -> tuple[str, ...]:
    """Return the names of a task's metrics: the loss, then the default monitor of the task, then others."""
    return "loss", *(name for name in NAMES[task.name] if name != "top5" or task.outputs > _MANY_CLASSES)


class Metrics(nn.Module):
    """The loss and the metrics of a task over a data set.

    Args:
        task: the task.
        loss: the loss of outputs and targets, as :meth:`Task.loss` returns it.
        chunk_size: the numbers of outputs that are collected before the metrics are updated.
    """

    def __init__(self, task: Task, loss: Loss, chunk_size: int = CHUNK_SIZE) -> None:
        super().__init__()
        self.names, self.chunk_size = metric_names(task), chunk_size
        self.loss, self.mean_loss = loss, Mean()
        self.measures = cast(TaskMetrics, _MEASURES[task.name](task))

    def measure(self, outputs: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
        """Return the metrics over pairs of a network's outputs and targets, one pair for each batch."""
        for metric in self.modules():
            if isinstance(metric, Metric):
                metric.reset()
        chunk: list[tuple[Tensor, Tensor]] = []
        size = 0
        for out, y in outputs:
            chunk.append((out, y))
            size += out.numel()
            if size >= self.chunk_size:
                self._update(chunk)
                chunk, size = [], 0
        if chunk:
            self._update(chunk)
        values = torch.stack([self.mean_loss.compute(), *self.measures.compute()]).tolist()
        return dict(zip(self.names, values, strict=True))

    def _update(self, chunk: list[tuple[Tensor, Tensor]]) -> None:
        outputs, y = (torch.cat(parts) for parts in zip(*chunk, strict=True))
        self.mean_loss.update(self.loss(outputs.float(), y), len(y))
        self.measures.update(outputs, y)


def monitors(task: Task) -> dict[str, Monitor]:
    """Return the monitors of a task by name, such as ``val/acc``."""
    return {f"val/{name}": Monitor.of(f"val/{name}") for name in metric_names(task)}
