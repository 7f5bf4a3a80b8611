"""A network whose outputs are compared with targets."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

from torch import Tensor, nn

from fastrun.components.amp.precision import Precision
from fastrun.components.metrics import Metrics, metric_names, monitors
from fastrun.components.metrics.extra import ExtraMetrics
from fastrun.components.pipeline import Batch
from fastrun.components.speed.memory_format import memory_format_of, to_memory_format
from fastrun.components.task import Loss, Task
from fastrun.components.test_time_augmentation import averaged_logits


class Supervised:
    """The loss and the metrics of a network's outputs and the targets of batches ``(x, y)``.

    Args:
        task: the task.
        loss: the loss of outputs and targets, as :meth:`Task.loss` returns it.
        precision: the precision that outputs are computed in.
        views: the variants of an image whose outputs are averaged in a validation.
        is_compiled: whether the network is compiled.
        extra: the metrics that the config adds; None for none.
        directions: whether larger values of them are better, of those that say so.
    """

    def __init__(
        self,
        task: Task,
        loss: Loss,
        precision: Precision,
        views: str,
        is_compiled: bool,
        extra: ExtraMetrics | None = None,
        directions: Mapping[str, bool] = MappingProxyType({}),
    ) -> None:
        self.module = Metrics(task, loss, extra=extra)
        self.monitors = monitors(task, extra.names if extra else (), directions)
        self.default = f"val/{metric_names(task)[1]}"
        self._loss, self._precision, self._views, self._is_compiled = loss, precision, views, is_compiled

    def loss(self, net: nn.Module, batch: Batch, step: int) -> Tensor:
        """Return the loss of a batch."""
        x, y = batch
        return self._loss(net(x), y)

    def start(self, count: Callable[[int], None]) -> None:
        """Do nothing."""

    def end_step(self, net: nn.Module, batch: Batch, step: int, loss: Tensor) -> None:
        """Return None: nothing is logged beside the loss."""

    def forward(self, net: nn.Module, batch: Batch) -> object:
        """Return the outputs for a batch."""
        return net(batch[0])

    def measure(self, net: nn.Module, batches: Iterable[Batch]) -> dict[str, float]:
        """Return the metrics over batches by their names, such as ``acc``."""
        return self.module.measure(self._outputs(net, batches))

    def _outputs(self, net: nn.Module, batches: Iterable[Batch]) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the logits and the targets of each batch."""
        memory_format = memory_format_of(net)
        for x, y in batches:
            with self._precision.autocast():
                logits = averaged_logits(net, to_memory_format(x, memory_format), self._views)
            # A network compiled with CUDA graphs writes the next batch's logits into the same memory.
            yield logits.clone() if self._is_compiled else logits, y
