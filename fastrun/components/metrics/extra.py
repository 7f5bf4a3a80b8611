"""The metrics that a config adds to those of the task."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from fastrun.components.prediction import Prediction
from fastrun.components.task import Task


class ExtraMetrics(nn.Module):
    """Metrics of what a network predicts, each of which computes one number.

    Args:
        task: the task.
        predict: makes predictions of a network's outputs.
        metrics: the metrics by name.
    """

    def __init__(self, task: Task, predict: Prediction, metrics: Mapping[str, Metric]) -> None:
        super().__init__()
        self.task, self.predict, self.names = task, predict, tuple(metrics)
        self.metrics = nn.ModuleList(metrics.values())

    def update(self, outputs: Tensor, y: Tensor) -> None:
        """Add a network's outputs and targets, as the task has them."""
        predictions, y = self.pairs(outputs, y)
        for metric in self.metrics:
            metric.update(predictions, y)  # type: ignore[operator]

    def pairs(self, outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Return predictions and targets as metrics get them.

        Returns:
            Probabilities ``[n, classes]`` and classes ``[n]``, with each token of a text as a sample; probabilities and
            0 or 1, ``[n, labels]``; numbers in the unit of the targets, ``[n]`` or ``[n, numbers]``; probabilities
            ``[n, classes, height, width]`` and masks; or images.
        """
        predictions = self.predict(outputs)
        if self.task.name == "language":
            return predictions.flatten(0, 1), y.flatten()
        if self.task.name == "regression" and self.task.outputs == 1:
            return predictions.flatten(), y.flatten()
        return predictions.contiguous(), y

    def compute(self, device: torch.device) -> list[Tensor]:
        """Return the values as scalars on a device."""
        values = (metric.compute() for metric in self.metrics)  # type: ignore[operator]
        return [torch.as_tensor(value, dtype=torch.float32, device=device).reshape(()) for value in values]
