"""The metrics of a network that predicts the next token of a text."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from fastrun.components.metrics.mean import Mean
from fastrun.components.task import Task


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
