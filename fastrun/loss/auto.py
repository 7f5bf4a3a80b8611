"""The usual loss of each task."""

from __future__ import annotations

from torch import nn

from fastrun.errors import ConfigError
from fastrun.loss.mse import SquaredError
from fastrun.loss.targets import check_smoothing


def auto(task: str = "classification", label_smoothing: float = 0.0) -> nn.Module:
    """Return cross-entropy for ``classification`` and ``language``, the mean squared error for ``regression``.

    Args:
        task: what the targets are.
        label_smoothing: the share of a label that all classes get alike.

    Raises:
        ConfigError: ``label_smoothing`` is no share, or is asked for where there are no labels.
    """
    if task == "regression":
        if label_smoothing:
            raise ConfigError(
                f"loss.label_smoothing={label_smoothing}: numbers to predict are no labels", "loss.label_smoothing=0"
            )
        return SquaredError(task)
    check_smoothing(label_smoothing)
    return nn.CrossEntropyLoss(label_smoothing=label_smoothing)
