"""The usual loss of each task."""

from __future__ import annotations

from torch import nn

from fastrun.components.loss.bce import OneVsRest
from fastrun.components.loss.mse import SquaredError
from fastrun.components.loss.targets import IGNORED
from fastrun.config.constraints import BelowOne
from fastrun.errors import ConfigError


def auto(task: str = "classification", label_smoothing: BelowOne = 0.0, ignore_index: int = IGNORED) -> nn.Module:
    """Return the usual loss of a task: cross-entropy, binary cross-entropy for several labels, else the squared error.

    Args:
        task: ``classification``, ``language``, ``segmentation``, ``multilabel``, ``regression`` or ``image_to_image``.
        label_smoothing: the share of a label that is spread evenly over all classes.
        ignore_index: the value of a mask's pixels that belong to no class; that of the data if it is left out.

    Raises:
        ConfigError: the targets are numbers, which have no labels to smooth.
    """
    if task in ("regression", "image_to_image"):
        if label_smoothing:
            raise ConfigError(
                f"loss.label_smoothing={label_smoothing}: this data has numbers to predict, not labels",
                "use loss.label_smoothing=0",
            )
        return SquaredError(task)
    if task == "multilabel":
        return OneVsRest(task, label_smoothing)
    return nn.CrossEntropyLoss(label_smoothing=label_smoothing, ignore_index=ignore_index)
