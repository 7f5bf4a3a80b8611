"""The metrics of a classification."""

from __future__ import annotations

from torch import Tensor, nn
from torchmetrics.classification import MulticlassStatScores

from fastrun.components.metrics.mean import Mean
from fastrun.components.task import Task

MANY_CLASSES = 20  # with more classes, top-5 accuracy is measured as well


class ClassificationMetrics(nn.Module):
    """Accuracy, macro F1 and, if there are many classes, top-5 accuracy."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.counts = MulticlassStatScores(task.outputs, average=None, validate_args=False)
        self.top5 = Mean() if task.outputs > MANY_CLASSES else None

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
