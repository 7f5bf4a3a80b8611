"""The usual loss of each task."""

from __future__ import annotations

from torch import nn

from fastrun.components.loss.mse import SquaredError
from fastrun.components.loss.targets import check_smoothing
from fastrun.errors import ConfigError


def auto(task: str = "classification", label_smoothing: float = 0.0) -> nn.Module:
    """Return cross-entropy for ``classification`` and ``language``, the mean squared error for ``regression``.

    Args:
        task: ``classification``, ``language`` or ``regression``.
        label_smoothing: the share of a label that is spread evenly over all classes.

    Raises:
        ConfigError: ``label_smoothing`` is out of range, or the targets are numbers.
    """
    if task == "regression":
        if label_smoothing:
            raise ConfigError(
                f"loss.label_smoothing={label_smoothing}: this data has numbers to predict, not labels",
                "use loss.label_smoothing=0",
            )
        return SquaredError(task)
    check_smoothing(label_smoothing)
    return nn.CrossEntropyLoss(label_smoothing=label_smoothing)
