"""The usual loss of each task."""

from __future__ import annotations

from torch import nn

from fastrun.components.loss.mse import SquaredError
from fastrun.config.constraints import BelowOne
from fastrun.errors import ConfigError


def auto(task: str = "classification", label_smoothing: BelowOne = 0.0) -> nn.Module:
    """Return cross-entropy for ``classification`` and ``language``, the mean squared error for ``regression``.

    Args:
        task: ``classification``, ``language`` or ``regression``.
        label_smoothing: the share of a label that is spread evenly over all classes.

    Raises:
        ConfigError: the targets are numbers, which have no labels to smooth.
    """
    if task == "regression":
        if label_smoothing:
            raise ConfigError(
                f"loss.label_smoothing={label_smoothing}: this data has numbers to predict, not labels",
                "use loss.label_smoothing=0",
            )
        return SquaredError(task)
    return nn.CrossEntropyLoss(label_smoothing=label_smoothing)
