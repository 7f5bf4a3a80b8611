"""What a LightningModule logs by ``self.log``, collected without waiting for the device."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torchmetrics import Metric

from fastrun.components.metrics.mean import Mean
from fastrun.errors import ConfigError
from fastrun.training.objective.lightning_module import is_lightning

_STAGE = re.compile(r"^(train|training|val|valid|validation|test)[/_]")


def metric_name(name: str) -> str:
    """Return the name of a logged value without the stage in front of it: ``acc`` of ``val_acc`` or ``val/acc``."""
    return _STAGE.sub("", name)


class Logged:
    """Takes what a LightningModule logs.

    In training these are the values of the last step; in an evaluation, means over samples, and torchmetrics.
    """

    def __init__(self) -> None:
        self._last: dict[str, Tensor] = {}
        self._means: dict[str, Mean] = {}
        self._metrics: dict[str, Metric] = {}
        self._returned: set[str] = set()
        self._is_evaluating, self._samples, self._device = False, 1, torch.device("cpu")

    def attach(self, net: nn.Module) -> None:
        """Let ``log`` and ``log_dict`` of a network, and of LightningModules in it, come here."""
        for module in net.modules():
            if any(map(is_lightning, type(module).__mro__)):
                vars(module).update(log=self.log, log_dict=self.log_dict)

    def log(self, name: str, value: Any, *_: Any, batch_size: int | None = None, **options: Any) -> None:
        """Take a value, as Lightning's ``self.log`` does.

        Args:
            name: its name.
            value: a number, a scalar tensor or a torchmetrics ``Metric``.
            batch_size: the weight of the value in the mean of an evaluation; None for the samples of the batch.
            **options: Lightning's other arguments. ``reduce_fx`` may only be the mean; the others do not matter here.

        Raises:
            ConfigError: the value is none of these, or is to be reduced by something other than the mean.
        """
        if options.get("reduce_fx", "mean") not in ("mean", "avg", torch.mean):
            raise ConfigError(f"self.log({name!r}, reduce_fx={options['reduce_fx']!r}): only means are supported")
        name = metric_name(name)
        if isinstance(value, Metric):
            self._log_metric(name, value)
            return
        scalar = _scalar(name, value)
        if self._is_evaluating:
            self._mean(name).update(scalar.to(self._device), batch_size or self._samples)
        else:
            self._last[f"train/{name}"] = scalar

    def _mean(self, name: str) -> Mean:
        if name not in self._means:
            self._means[name] = Mean().to(self._device)
        return self._means[name]

    def take_returned(self, returned: Any) -> None:
        """Take what a step of an evaluation returned: a loss, or numbers by name. What the step logs itself counts."""
        values = returned if isinstance(returned, Mapping) else {} if returned is None else {"loss": returned}
        for key, value in values.items():
            name = metric_name(str(key))
            is_number = (isinstance(value, Tensor) and value.numel() == 1) or isinstance(value, (int, float))
            if is_number and (name in self._returned or name not in {*self._means, *self._metrics}):
                self._returned.add(name)
                self._mean(name).update(_scalar(name, value).to(self._device), self._samples)

    def log_dict(self, values: Mapping[str, Any], *_: Any, **options: Any) -> None:
        """Take several values: see :meth:`log`. A ``MetricCollection`` is one, too."""
        for name, value in values.items():
            self.log(name, value, **options)

    def _log_metric(self, name: str, metric: Metric) -> None:
        if self._is_evaluating:
            self._metrics[name] = metric
        else:  # of this step alone, so that a resumed run logs the same
            self._last[f"train/{name}"] = _scalar(name, metric.compute())
            metric.reset()

    def begin_evaluation(self, device: torch.device) -> None:
        """Begin an evaluation."""
        for names in (self._means, self._metrics, self._returned):
            names.clear()
        self._is_evaluating, self._device = True, device

    def begin_batch(self, samples: int) -> None:
        """Say how many samples the next batch of an evaluation has."""
        self._samples = samples

    def end_evaluation(self) -> dict[str, float]:
        """Return the value of each metric over the evaluation, and begin to log training steps again."""
        self._is_evaluating = False
        values = {name: mean.compute() for name, mean in self._means.items()}
        values |= {name: _scalar(name, metric.compute()) for name, metric in self._metrics.items()}
        for metric in self._metrics.values():
            metric.reset()
        numbers = torch.stack([value.float().to(self._device) for value in values.values()]).tolist() if values else []
        return dict(zip(values, numbers, strict=True))

    def directions(self) -> dict[str, bool]:
        """Return whether larger values are better, of the logged torchmetrics that say so."""
        known = {name: getattr(metric, "higher_is_better", None) for name, metric in self._metrics.items()}
        return {name: direction for name, direction in known.items() if direction is not None}

    def take_last(self) -> dict[str, Tensor]:
        """Return what was logged in training since the last call, as scalar tensors."""
        last, self._last = self._last, {}
        last.pop("train/loss", None)  # which is written anyway
        return last


def _scalar(name: str, value: Any) -> Tensor:
    if isinstance(value, Tensor):
        if value.numel() != 1:
            raise ConfigError(f"self.log({name!r}) was given a tensor of shape {list(value.shape)}, not a number")
        return value.detach().reshape(()).clone()
    if isinstance(value, (bool, int, float)) or hasattr(value, "__float__"):
        return torch.tensor(float(value))
    raise ConfigError(f"self.log({name!r}) was given a {type(value).__name__}, not a number")
