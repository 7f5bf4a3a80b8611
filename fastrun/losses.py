"""The loss of a run: what was chosen, as the task of the data needs it."""

from __future__ import annotations

from typing import cast

from torch import nn

from fastrun import component
from fastrun.errors import ConfigError
from fastrun.settings import Settings
from fastrun.task import Loss, Task


def loss_of(settings: Settings, task: Task) -> Loss:
    """Return the loss of a network's outputs and a batch's targets.

    Raises:
        ConfigError: its arguments do not fit, or it is for classes and the targets are numbers.
    """
    bound = component.bind("loss", settings.loss)
    if bound is None:
        raise ConfigError("loss._target_ is not set", "choose one: `fastrun options loss`")
    offered = component.named(bound, task=task.name)
    component.missing("loss", bound, *offered)
    loss = cast(Loss, bound(**offered))
    if task.name == "regression" and isinstance(loss, nn.CrossEntropyLoss):
        raise ConfigError("loss=cross_entropy is for classes; this data's targets are numbers", "use loss=mse")
    return task.loss(loss)
