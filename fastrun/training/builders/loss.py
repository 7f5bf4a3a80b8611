"""Building the loss of a run, adapted to the task of the data."""

from __future__ import annotations

from typing import cast

from torch import nn

from fastrun.components.task import Loss, Task
from fastrun.config import instantiate
from fastrun.config.settings import Settings
from fastrun.errors import ConfigError

_NOT_CLASSES = {"regression": "numbers", "image_to_image": "images", "multilabel": "several labels a sample"}


def build_loss(settings: Settings, task: Task) -> Loss:
    """Return a function of a network's outputs and a batch's targets that computes the loss.

    Raises:
        ConfigError: the arguments of the loss do not fit, or the loss is for classes and the targets are numbers.
    """
    bound = instantiate.bind("loss", settings.loss)
    if bound is None:
        raise ConfigError("loss._target_ is not set", "choose a loss: `fastrun options loss`")
    masks = {} if task.ignore_index is None else {"ignore_index": task.ignore_index}
    offered = instantiate.accepted(bound, task=task.name, **masks)
    instantiate.check_complete("loss", bound, *offered)
    loss = cast(Loss, bound(**offered))
    if task.name in _NOT_CLASSES and isinstance(loss, nn.CrossEntropyLoss):
        message = f"loss=cross_entropy is for classes; this data's targets are {_NOT_CLASSES[task.name]}"
        raise ConfigError(message, f"use loss={'bce' if task.name == 'multilabel' else 'mse'}")
    return task.loss(loss)
