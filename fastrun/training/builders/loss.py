"""Building the loss of a run, adapted to the task of the data."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from fastrun.components.data.labels import as_labels
from fastrun.components.data.splits import size_of
from fastrun.components.task import Loss, Task
from fastrun.config import instantiate, registry
from fastrun.config.settings import Settings
from fastrun.errors import ConfigError, FastrunError
from fastrun.training.builders.setup import Setup

_NOT_CLASSES = {"regression": "numbers", "image_to_image": "images", "multilabel": "several labels a sample"}

_FORM = "a loss is a function loss(outputs, y), or a Module that is called so and returns a scalar: see docs/own.md"


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
    if _is_loss_itself(bound, offered):
        return task.loss(partial(bound, **offered))
    instantiate.check_complete("loss", bound, *offered)
    loss = cast(Loss, bound(**offered))
    if not callable(loss):
        raise ConfigError(f"loss._target_={settings.loss['_target_']} makes a {type(loss).__name__}", _FORM)
    if task.name in _NOT_CLASSES and isinstance(loss, nn.CrossEntropyLoss):
        message = f"loss=cross_entropy is for classes; this data's targets are {_NOT_CLASSES[task.name]}"
        raise ConfigError(message, f"use loss={'bce' if task.name == 'multilabel' else 'mse'}")
    return task.loss(loss)


def _is_loss_itself(bound: instantiate.Bound, offered: Mapping[str, Any]) -> bool:
    """Say whether a target is a function of outputs and targets; else it is a class or function that makes one."""
    if inspect.isclass(bound.func):
        return False
    parameters = inspect.signature(bound.func).parameters
    given = {*offered, *bound.keywords}
    return len([name for name, one in parameters.items() if one.default is one.empty and name not in given]) == 2


def try_loss(settings: Settings, setup: Setup) -> None:
    """Try a loss of the user's own on made-up outputs for two samples.

    Raises:
        ConfigError: it raises, or does not return a scalar that depends on the outputs.
    """
    target, task = settings.loss.get("_target_"), setup.splits.task
    if task.name == "own" or not isinstance(target, str) or registry.target_of("loss", target) is not None:
        return
    outputs, y = two_samples(setup)
    outputs.requires_grad_()
    loss = build_loss(settings, task)
    try:
        value = loss(outputs, y)
    except (FastrunError, MemoryError):
        raise
    except Exception as error:
        shapes = f"outputs {list(outputs.shape)} and targets {list(y.shape)}"
        said = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ConfigError(f"loss._target_={target} does not take {shapes}: {said}", _FORM) from error
    if not isinstance(value, Tensor) or value.numel() != 1 or not value.requires_grad:
        found = f"a tensor of shape {list(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
        why = ", which does not depend on the outputs" if isinstance(value, Tensor) and value.numel() == 1 else ""
        raise ConfigError(f"loss._target_={target} returns {found}{why}", _FORM)


def two_samples(setup: Setup) -> tuple[Tensor, Tensor]:
    """Return made-up outputs for two samples of the training set that are far from each other, and their targets."""
    task, train = setup.splits.task, setup.splits.train
    y = torch.stack([torch.as_tensor(train[index][1]) for index in (0, size_of(train) - 1)])
    random = torch.Generator().manual_seed(0)
    return torch.randn(task.shape(2, setup.splits.in_shape), generator=random), as_labels(y)
