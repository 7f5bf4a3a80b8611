"""Building the metrics that a config adds to those of the task, and trying them on two samples."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from torch import Tensor
from torchmetrics import Metric

from fastrun.components.metrics.extra import ExtraMetrics
from fastrun.components.prediction import Prediction
from fastrun.components.task import Task
from fastrun.config import instantiate
from fastrun.config.settings import Settings
from fastrun.errors import ConfigError, FastrunError
from fastrun.training.builders.loss import two_samples
from fastrun.training.builders.setup import Setup

_WORDS = {"classification": "multiclass", "language": "multiclass", "segmentation": "multiclass"}  # of torchmetrics
_DIRECTION = "higher_is_better"


def build_extra(settings: Settings, task: Task) -> ExtraMetrics | None:
    """Return the metrics that the config adds to those of the task; None where it adds none.

    Raises:
        ConfigError: a metric cannot be built.
    """
    if not settings.metrics:
        return None
    added = {name: _build(name, config, task) for name, config in settings.metrics.items()}
    return ExtraMetrics(task, Prediction(task, settings.loss.get("_target_")), added)


def try_metrics(settings: Settings, setup: Setup) -> Settings:
    """Try the added metrics on two samples, and return the settings with the directions that their classes have.

    Raises:
        ConfigError: a metric cannot be built, does not fit the task, or does not compute one number; or one that
            decides does not say whether larger values are better.
    """
    if not settings.metrics or setup.splits.task.name == "own":
        return settings  # the steps of a LightningModule measure what it logs
    task, complete = setup.splits.task, {}
    outputs, y = two_samples(setup)
    for name, config in settings.metrics.items():
        metric = _build(name, config, task)
        extra = ExtraMetrics(task, Prediction(task, settings.loss.get("_target_")), {name: metric})
        _try(name, metric, *extra.pairs(outputs, y))
        direction = config.get(_DIRECTION)
        complete[name] = {**config, _DIRECTION: metric.higher_is_better if direction is None else direction}
        _check_direction(name, complete[name], settings)
    return settings if complete == settings.metrics else replace(settings, metrics=complete)


def _build(name: str, config: Mapping[str, Any], task: Task) -> Metric:
    key = f"metrics.{name}"
    bound = instantiate.bind(key, {part: value for part, value in config.items() if part != _DIRECTION})
    assert bound is not None  # checked with the settings
    offered = instantiate.accepted(bound, **_facts(task))
    instantiate.check_complete(key, bound, *offered)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the memory that some take, which one number for each sample is
        try:
            metric = bound(**offered)
        except FastrunError:
            raise
        except Exception as error:
            raise _does_not_fit(name, task, error) from error
    if not isinstance(metric, Metric):
        message = f"{key}._target_={config['_target_']} makes a {type(metric).__name__}, not a torchmetrics.Metric"
        raise ConfigError(message, "derive it from torchmetrics.Metric, with update(predictions, y) and compute()")
    return metric


def _facts(task: Task) -> dict[str, Any]:
    """Return what is given to the arguments of these names that a metric has."""
    facts: dict[str, Any] = {"task": _WORDS.get(task.name, task.name), "num_classes": task.outputs}
    if task.name == "multilabel":
        facts["num_labels"] = task.outputs
    if task.name == "regression":
        facts["num_outputs"] = task.outputs
    if task.ignore_index is not None:
        facts["ignore_index"] = task.ignore_index
    return facts | ({"data_range": task.data_range} if task.data_range else {})


def _try(name: str, metric: Metric, predictions: Tensor, y: Tensor) -> None:
    """Check that a metric takes predictions and targets, and computes one number."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # two samples seldom have all classes
        try:
            metric.update(predictions, y)
            value = metric.compute()
        except FastrunError:
            raise
        except Exception as error:
            shapes = f"predictions {list(predictions.shape)} and targets {list(y.shape)}"
            raise _does_not_fit(name, None, error, f" with {shapes}") from error
    is_number = isinstance(value, (int, float)) or (isinstance(value, Tensor) and value.numel() == 1)
    if not is_number:
        found = f"a tensor of shape {list(value.shape)}" if isinstance(value, Tensor) else f"a {type(value).__name__}"
        raise ConfigError(f"metrics.{name} computes {found}, not one number", f"such as metrics.{name}.average=macro")


def _does_not_fit(name: str, task: Task | None, error: Exception, what: str = "") -> ConfigError:
    said = (str(error).strip().splitlines() or [type(error).__name__])[0]
    data = f"this data ({task.name})" if task is not None else "this data"
    return ConfigError(f"metrics.{name} does not fit {data}{what}: {said}", "`fastrun options metrics` lists others")


def _check_direction(name: str, config: Mapping[str, Any], settings: Settings) -> None:
    keys = {"target.metric": settings.target.metric, "early_stopping.metric": settings.early_stopping.metric}
    for key, metric in keys.items():
        if metric == f"val/{name}" and config[_DIRECTION] is None:
            hint = f"say it: +metrics.{name}.{_DIRECTION}=true or false"
            raise ConfigError(f"{key}={metric}: its class does not say whether larger values are better", hint)
