"""A LightningModule as the network: its ``training_step`` is the loss, its ``validation_step`` gives the metrics."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fastrun.components.amp.precision import Precision
from fastrun.components.pipeline import Batch
from fastrun.components.pipeline.structure import batch_length
from fastrun.config.monitor import Monitor, default_monitor
from fastrun.errors import ConfigError
from fastrun.training.objective.lightning_module import call_hook, check_module, overrides
from fastrun.training.objective.logged import Logged

Step = Callable[[Batch, int], Any]


class OwnSteps:
    """What a LightningModule learns by its own steps.

    Args:
        net: the module.
        precision: the precision of an evaluation.
        steps_per_epoch: the optimizer steps of an epoch, after which the numbers of batches begin again.
        is_test: whether an evaluation calls ``test_step``, where there is one.

    Attributes:
        module: empty: all that moves to a device is in the network.
        monitors: the metrics of a validation; empty before :meth:`find_metrics`.
        misnamed: those whose name says the opposite of which values are better.

    Raises:
        ConfigError: the module has a method that would not be called, or takes its steps itself.
    """

    def __init__(self, net: nn.Module, precision: Precision, steps_per_epoch: int = 1, is_test: bool = False) -> None:
        check_module(net)
        self.module = nn.Module()
        self.monitors: Mapping[str, Monitor] = {}
        self.misnamed: set[str] = set()
        self._precision, self._steps_per_epoch = precision, steps_per_epoch
        self._training_step = _with_index(net, "training_step")
        name = "test_step" if is_test and overrides(net, "test_step") else "validation_step"
        self._evaluation_step = _with_index(net, name) if overrides(net, name) else None
        self._has_batch_end = overrides(net, "on_train_batch_end")
        self._count: Callable[[int], None] | None = None
        self._log = Logged()
        self._log.attach(net)

    @property
    def default(self) -> str:
        """Return the name of the metric that decides unless another one is chosen."""
        return default_monitor(None, self.monitors).name

    def start(self, count: Callable[[int], None]) -> None:
        """Prepare for training.

        Args:
            count: is called before each step with the number of steps that are done.
        """
        self._count = count

    def loss(self, net: nn.Module, batch: Batch, step: int) -> Tensor:
        """Return what ``training_step`` returns."""
        if self._count is not None:
            self._count(step)
        return _loss_of(self._training_step(batch, step % self._steps_per_epoch), net)

    def end_step(self, net: nn.Module, batch: Batch, step: int, loss: Tensor) -> dict[str, Tensor]:
        """Call ``on_train_batch_end``, and return what the step logged."""
        if self._has_batch_end:
            net.on_train_batch_end({"loss": loss}, batch, step % self._steps_per_epoch)  # type: ignore[operator]
        return self._log.take_last()

    def forward(self, net: nn.Module, batch: Batch) -> object:
        """Run ``training_step``."""
        returned = self._training_step(batch, 0)
        self._log.take_last()
        return returned

    def measure(self, net: nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
        """Return what ``validation_step`` logs or returns; without one, the loss that ``training_step`` returns."""
        device = next((weight.device for weight in net.parameters()), torch.device("cpu"))
        self._log.begin_evaluation(device)
        call_hook(net, "on_validation_start")
        call_hook(net, "on_validation_epoch_start")
        for index, batch in enumerate(batches):
            self._log.begin_batch(batch_length(batch))
            with self._precision.autocast():
                if self._evaluation_step is None:
                    self._log.take_returned({"loss": _loss_of(self._training_step(batch, index), net)})
                else:
                    self._log.take_returned(self._evaluation_step(batch, index))
        call_hook(net, "on_validation_epoch_end")
        call_hook(net, "on_validation_end")
        return self._log.end_evaluation()

    def find_metrics(self, net: nn.Module, batch: Batch) -> None:
        """Find which metrics there are, by an evaluation of one batch.

        Raises:
            ConfigError: nothing is measured.
        """
        measured = self.measure(net, [batch])
        if not measured:
            message = f"{type(net).__qualname__}.validation_step logs no metric and returns none"
            raise ConfigError(message, 'call self.log("val/loss", loss)')
        self.monitors = {f"val/{name}": Monitor.of(f"val/{name}") for name in measured}
        directions = self._log.directions()
        self.misnamed = {
            name
            for name, monitor in self.monitors.items()
            if directions.get(name.removeprefix("val/"), monitor.higher_is_better) != monitor.higher_is_better
        }


def _with_index(net: nn.Module, name: str) -> Step:
    """Return a step of a module as a function of a batch and its number, which the step may leave out."""
    step = getattr(net, name)
    parameters = inspect.signature(step).parameters.values()
    if len(parameters) > 1 or any(one.kind is one.VAR_POSITIONAL for one in parameters):
        return step  # type: ignore[no-any-return]
    return lambda batch, _: step(batch)


def _loss_of(returned: Any, net: nn.Module) -> Tensor:
    """Return the loss in what ``training_step`` returned.

    Raises:
        ConfigError: there is none.
    """
    loss = returned.get("loss") if isinstance(returned, Mapping) else returned
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        found = f"a tensor of shape {list(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
        raise ConfigError(
            f"{type(net).__qualname__}.training_step returned {found}, not a loss",
            'return a scalar tensor, or a dict with "loss"',
        )
    return loss.reshape(())
