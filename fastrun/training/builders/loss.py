"""Building the loss of a run, adapted to the task of the data."""

from __future__ import annotations

from typing import cast

from torch import nn

from fastrun.components.task import Loss, Task
from fastrun.config import instantiate
from fastrun.config.settings import Settings
from fastrun.errors import ConfigError


def build_loss(settings: Settings, task: Task) -> Loss:
    """Return a function of a network's outputs and a batch's targets that computes the loss.

    Raises:
        ConfigError: the arguments of the loss do not fit, or the loss is for classes and the targets are numbers.
    """
    bound = instantiate.bind("loss", settings.loss)
    if bound is None:
        raise ConfigError("loss._target_ is not set", "choose a loss: `fastrun options loss`")
    offered = instantiate.accepted(bound, task=task.name)
    instantiate.check_complete("loss", bound, *offered)
    loss = cast(Loss, bound(**offered))
    if task.name == "regression" and isinstance(loss, nn.CrossEntropyLoss):
        raise ConfigError("loss=cross_entropy is for classes; this data's targets are numbers", "use loss=mse")
    return task.loss(loss)
