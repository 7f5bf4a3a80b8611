"""What a network learns: the loss of a training batch, and the metrics of a validation."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Protocol

from torch import Tensor, nn

from fastrun.components.pipeline import Batch
from fastrun.config.monitor import Monitor
from fastrun.errors import ConfigError, nearest


class Objective(Protocol):
    """What a network learns."""

    @property
    def module(self) -> nn.Module:
        """Return what moves to the device with the network."""
        ...

    @property
    def monitors(self) -> Mapping[str, Monitor]:
        """Return the metrics of a validation by name, such as ``val/acc``."""
        ...

    @property
    def default(self) -> str:
        """Return the name of the metric that decides unless another one is chosen."""
        ...

    def loss(self, net: nn.Module, batch: Batch, step: int) -> Tensor:
        """Return the loss of a batch, a scalar tensor.

        Args:
            net: the network.
            batch: the batch, on the device, in the memory format of the network.
            step: the optimizer step, counted from 0.
        """
        ...

    def start(self, count: Callable[[int], None]) -> None:
        """Prepare for training; ``count`` may be called before each step with the number of steps that are done."""
        ...

    def end_step(self, net: nn.Module, batch: Batch, step: int, loss: Tensor) -> dict[str, Tensor] | None:
        """End an optimizer step.

        Returns:
            What the network logged in it by name, such as ``train/acc``, as scalar tensors; None for nothing.
        """
        ...

    def forward(self, net: nn.Module, batch: Batch) -> object:
        """Run the network on a training batch, for what its layers measure of it."""
        ...

    def measure(self, net: nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
        """Return the metrics of a network in evaluation mode over batches by their names without ``val/``."""
        ...


def monitor_for(name: str | None, objective: Objective, key: str) -> Monitor:
    """Return the monitor of a validation metric.

    Args:
        name: the metric, such as ``val/acc``; None for the default.
        objective: what the network learns.
        key: the key of the name, for error messages.

    Raises:
        ConfigError: a validation does not measure it.
    """
    monitors = objective.monitors
    if name is None:
        name = objective.default
    if name not in monitors:
        hint = nearest(name, monitors) or f"choose from {', '.join(monitors)}"
        raise ConfigError(f"{key}={name} is not measured", hint)
    return monitors[name]
