"""The metrics of several labels a sample."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from fastrun.components.metrics.mean import Mean
from fastrun.components.task import Task


class MeanAveragePrecision(Metric):
    """The mean of the average precision of the labels that occur, as scikit-learn and torchmetrics compute it.

    Average precision is the area under the curve of precision over recall as a step function. All outputs are kept
    until it is computed.
    """

    outputs: list[Tensor]
    targets: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_state("outputs", [], "cat")
        self.add_state("targets", [], "cat")

    def update(self, outputs: Tensor, y: Tensor) -> None:
        """Add outputs and targets, both ``[n, labels]``."""
        self.outputs.append(outputs)
        self.targets.append(y)

    def compute(self) -> Tensor:
        """Return the mean over labels."""
        scores, order = dim_zero_cat(self.outputs).sort(dim=0, descending=True)
        hits = dim_zero_cat(self.targets).gather(0, order).long()
        ranks = torch.arange(1, len(scores) + 1, device=scores.device).view(-1, 1)
        precision = (hits.cumsum(0) / ranks).gather(0, _ends_of_ties(scores))  # equal outputs are found together
        positives = hits.sum(0)
        return ((hits * precision).sum(0) / positives.clamp_min(1)).sum() / (positives > 0).sum()


def _ends_of_ties(scores: Tensor) -> Tensor:
    """Return the index of the last of equal values for each value of sorted columns ``[n, labels]``."""
    last = len(scores) - 1
    index = torch.arange(len(scores), device=scores.device).view(-1, 1).expand_as(scores)
    is_end = torch.cat([scores[1:] != scores[:-1], torch.ones_like(scores[:1], dtype=torch.bool)])
    return torch.where(is_end, index, last).flip(0).cummin(0).values.flip(0)


class MultilabelMetrics(nn.Module):
    """Mean average precision, macro F1, and the share of samples whose labels are all right."""

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.precision, self.counts, self.exact = MeanAveragePrecision(), LabelCounts(task.outputs), Mean()

    def update(self, outputs: Tensor, y: Tensor) -> None:
        """Add logits and targets of 0 and 1, both ``[n, labels]``."""
        outputs, predicted = outputs.float(), outputs > 0
        self.precision.update(outputs, y)
        self.counts.update(predicted, y == 1)
        self.exact.update((predicted == y).all(1).float().mean(), len(y))

    def compute(self) -> list[Tensor]:
        """Return the mean average precision, the mean F1 of the labels that occur or are predicted, and the share."""
        found, total = self.counts.compute()
        f1 = (2 * found / total.clamp_min(1)).sum() / (total > 0).sum()
        return [self.precision.compute(), f1, self.exact.compute()]


class LabelCounts(Metric):
    """How often each label is found, and how often it occurs and is predicted in all."""

    found: Tensor
    total: Tensor

    def __init__(self, labels: int) -> None:
        super().__init__()
        self.add_state("found", torch.zeros(labels), "sum")
        self.add_state("total", torch.zeros(labels), "sum")

    def update(self, predicted: Tensor, y: Tensor) -> None:
        """Add predictions and targets, both boolean ``[n, labels]``."""
        self.found += (predicted & y).sum(0)
        self.total += predicted.sum(0) + y.sum(0)

    def compute(self) -> tuple[Tensor, Tensor]:
        """Return how often each label was found, and the sum of how often it occurred and was predicted."""
        return self.found, self.total
