"""What a validation measures, with torchmetrics, without a Python call a batch.

Logits are collected on the device and handed to the metrics in few large pieces; the results come to the host in one
transfer. Under several processes torchmetrics adds up the counts of all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy

Loss = Callable[[Tensor, Tensor], Tensor]

_PIECE = 1 << 22  # logits held before the metrics see them


@dataclass(frozen=True)
class Known:
    """A metric that a run can be steered by."""

    name: str
    higher_is_better: bool

    def better(self, value: float, than: float, by: float = 0.0) -> bool:
        """Say whether a value improves on another by more than ``by``."""
        return value > than + by if self.higher_is_better else value < than - by

    def reaches(self, value: float, target: float) -> bool:
        """Say whether a value is at or past a target."""
        return value >= target if self.higher_is_better else value <= target


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


class Metrics(nn.Module):
    """Loss and accuracy over a set."""

    names = ("loss", "acc")

    def __init__(self, loss: Loss, num_classes: int) -> None:
        super().__init__()
        self.loss = loss
        self.mean_loss = Mean()
        self.acc: Metric = MulticlassAccuracy(num_classes, average="micro", validate_args=False)

    def measure(self, outputs: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
        """Return the metrics over pairs of logits ``[batch, classes]`` and labels ``[batch]``."""
        self.mean_loss.reset()
        self.acc.reset()
        held: list[tuple[Tensor, Tensor]] = []
        size = 0
        for logits, y in outputs:
            held.append((logits, y))
            size += logits.numel()
            if size >= _PIECE:
                self._update(held)
                held, size = [], 0
        if held:
            self._update(held)
        values = torch.stack([self.mean_loss.compute(), self.acc.compute()]).tolist()
        return dict(zip(self.names, values, strict=True))

    def _update(self, held: list[tuple[Tensor, Tensor]]) -> None:
        logits, y = (torch.cat(parts) for parts in zip(*held, strict=True))
        self.mean_loss.update(self.loss(logits.float(), y), len(y))
        self.acc.update(logits, y)


def known() -> dict[str, Known]:
    """Return the validation metrics by name, such as ``val/acc``."""
    return {f"val/{name}": Known(f"val/{name}", name != "loss") for name in Metrics.names}
