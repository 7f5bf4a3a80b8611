"""What a validation measures beside the metrics of the task: any number of metrics, `metrics=[auroc,mcc]`.

Outputs are collected on the device and passed to the metrics in a few large chunks, not batch by batch, and all results
come to the host in one transfer. With several processes, torchmetrics sums the counts of all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Protocol, cast

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from fastrun.components.metrics.classification import MANY_CLASSES, ClassificationMetrics
from fastrun.components.metrics.extra import ExtraMetrics
from fastrun.components.metrics.image_to_image import ImageMetrics
from fastrun.components.metrics.language import LanguageMetrics
from fastrun.components.metrics.mean import Mean
from fastrun.components.metrics.multilabel import MultilabelMetrics
from fastrun.components.metrics.regression import RegressionMetrics
from fastrun.components.metrics.segmentation import SegmentationMetrics
from fastrun.components.task import Loss, Task
from fastrun.config.monitor import NAMES, Monitor

CHUNK_SIZE = 1 << 22  # numbers of outputs that are collected before the metrics are updated


class TaskMetrics(Protocol):
    """The metrics of a task without the loss, in the order of :func:`metric_names`."""

    def update(self, outputs: Tensor, y: Tensor) -> None:
        """Add a chunk of a data set."""

    def compute(self) -> list[Tensor]:
        """Return the values of the metrics."""


_MEASURES: dict[str, type[nn.Module]] = {
    "classification": ClassificationMetrics,
    "multilabel": MultilabelMetrics,
    "language": LanguageMetrics,
    "segmentation": SegmentationMetrics,
    "regression": RegressionMetrics,
    "image_to_image": ImageMetrics,
}


def metric_names(task: Task) -> tuple[str, ...]:
    """Return the names of a task's metrics: the loss, then the default monitor of the task, then others."""
    return "loss", *(name for name in NAMES[task.name] if name != "top5" or task.outputs > MANY_CLASSES)


class Metrics(nn.Module):
    """The loss and the metrics of a task over a data set.

    Args:
        task: the task.
        loss: the loss of outputs and targets, as :meth:`Task.loss` returns it.
        chunk_size: the numbers of outputs that are collected before the metrics are updated.
        extra: further metrics, or None.
    """

    def __init__(self, task: Task, loss: Loss, chunk_size: int = CHUNK_SIZE, extra: ExtraMetrics | None = None) -> None:
        super().__init__()
        self.names, self.chunk_size = (*metric_names(task), *(extra.names if extra else ())), chunk_size
        self.extra = extra
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
        loss = self.mean_loss.compute()
        extra = [] if self.extra is None else self.extra.compute(loss.device)
        values = torch.stack([loss, *self.measures.compute(), *extra]).tolist()
        return dict(zip(self.names, values, strict=True))

    def _update(self, chunk: list[tuple[Tensor, Tensor]]) -> None:
        outputs, y = (torch.cat(parts) for parts in zip(*chunk, strict=True))
        self.mean_loss.update(self.loss(outputs.float(), y), len(y))
        self.measures.update(outputs, y)
        if self.extra is not None:
            self.extra.update(outputs, y)


def monitors(
    task: Task, added: Iterable[str] = (), directions: Mapping[str, bool] = MappingProxyType({})
) -> dict[str, Monitor]:
    """Return the monitors of a task and of added metrics by name, such as ``val/acc``.

    Args:
        task: the task.
        added: the names of the metrics that a config adds.
        directions: whether larger values of these are better, of those that say so.
    """
    names = (f"val/{name}" for name in (*metric_names(task), *added))
    return {name: Monitor.of(name, directions) for name in names}
