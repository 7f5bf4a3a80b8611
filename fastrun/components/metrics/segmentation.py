"""The metrics of masks."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from fastrun.components.task import Task


class ConfusionMatrix(Metric):
    """The number of pixels by label (rows) and prediction (columns)."""

    counts: Tensor

    def __init__(self, classes: int, ignore_index: int | None) -> None:
        super().__init__()
        self.classes, self.ignore_index = classes, ignore_index
        self.add_state("counts", torch.zeros(classes**2, dtype=torch.int64), "sum")

    def update(self, predicted: Tensor, y: Tensor) -> None:
        """Add predicted labels and masks of one shape."""
        known = y != self.ignore_index
        pairs = y[known] * self.classes + predicted[known]
        self.counts += torch.bincount(pairs, minlength=self.classes**2)

    def compute(self) -> Tensor:
        """Return the matrix, ``[classes, classes]``."""
        return self.counts.view(self.classes, self.classes)


class SegmentationMetrics(nn.Module):
    """Mean intersection over union, and the accuracy of pixels, both without pixels that belong to no class."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.matrix = ConfusionMatrix(task.outputs, task.ignore_index)

    def update(self, outputs: Tensor, y: Tensor) -> None:
        """Add logits ``[n, classes, height, width]`` and masks ``[n, height, width]``."""
        self.matrix.update(outputs.argmax(1), y)

    def compute(self) -> list[Tensor]:
        """Return the mean over the classes that were labels or predictions, and the accuracy."""
        matrix = self.matrix.compute().double()
        hits = matrix.diagonal()
        union = matrix.sum(0) + matrix.sum(1) - hits
        miou = (hits / union.clamp_min(1)).sum() / (union > 0).sum()
        return [miou.float(), (hits.sum() / matrix.sum()).float()]
