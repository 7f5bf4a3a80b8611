"""Targets of a loss: labels as probabilities."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import one_hot

IGNORED = -100
"""The target that a cross-entropy leaves out unless it is told another one, as in torch."""


def probabilities(y: Tensor, classes: int, smoothing: float = 0.0) -> Tensor:
    """Return labels as probabilities ``[N, classes]``.

    Args:
        y: labels ``[N]``, or probabilities ``[N, classes]``.
        classes: the number of classes.
        smoothing: the share of a label that is spread evenly over all classes, including the true one, as in torch's
            cross-entropy (Szegedy et al. 2016).
    """
    targets = y if y.is_floating_point() else one_hot(y, classes).float()
    return targets * (1 - smoothing) + smoothing / classes if smoothing else targets
