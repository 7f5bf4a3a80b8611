"""Writes metrics.jsonl and logs to a tracker, keeps the best value, and checks for divergence."""

from __future__ import annotations

import math
from collections import deque
from contextlib import suppress
from time import perf_counter
from typing import Any

import pytorch_lightning as pl
import torch

from fastrun.config.monitor import KNOWN, Monitor
from fastrun.errors import Diverged
from fastrun.storage.run_dir import RunDir
from fastrun.training.builders.logger import Tracking
from fastrun.training.module import Training
from fastrun.training.step import StepResult

_SECONDS = 1.0  # between two transfers of losses from the device


class MetricsRecorder(pl.Callback):
    """Reads the results of steps from the device, once a second and whenever the run pauses anyway.

    Without a run directory, as in the second process of a run, it notes the best value but writes nothing.
    """

    def __init__(self, run: RunDir | None, monitor: Monitor, log_every: int, tracker: Tracking | None = None) -> None:
        self.run, self.monitor, self.log_every, self.tracker = run, monitor, log_every, tracker
        self.epoch_losses: list[float] = []
        self.waiting: deque[tuple[float, float | None]] = deque()
        self._read_at = perf_counter()

    def state_dict(self) -> dict[str, Any]:
        """Return the losses of the current epoch and of the current line."""
        return {"epoch_losses": list(self.epoch_losses), "waiting": [list(pair) for pair in self.waiting]}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the losses of the current epoch and of the current line."""
        self.epoch_losses = list(state_dict["epoch_losses"])
        self.waiting = deque((loss, norm) for loss, norm in state_dict["waiting"])

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Write the lines of the steps since the last reading, if a second has passed."""
        assert isinstance(pl_module, Training)
        plan, step = pl_module.plan, pl_module.state.step
        pauses = plan.validates(step) or plan.saves(step) or plan.ends_epoch(step)
        alone = trainer.world_size == 1  # several processes read together, so at steps that all of them know
        if pauses or (alone and perf_counter() - self._read_at >= _SECONDS):
            self.read(pl_module)

    def read(self, module: Training, *, alone: bool = False) -> None:
        """Transfer the results of finished steps to the host at once, and write their lines.

        Args:
            module: the training.
            alone: whether this process reads without the others, which are gone: losses are of its part of a batch.

        Raises:
            Diverged: a step was bad; the lines of those before it are written.
        """
        results, module.results = module.results, []
        self._read_at = perf_counter()
        if not results:
            return
        losses = torch.stack([result.loss.float() for result in results])
        norms = [result.grad_norm for result in results if result.grad_norm is not None]
        flags = module.stepper.nan_guard.flags(module.stepper.saved_tensors)
        read = [torch.stack(norms).float(), flags] if norms else [flags]
        unread = torch.cat([losses, *(part.to(losses.device) for part in read)])
        if module.trainer.world_size > 1 and not alone:
            unread = _mean_over_processes(unread, module.trainer.world_size)
        values = unread.tolist()
        good, trouble = module.stepper.nan_guard.judge(results[-1].step, values[: len(results)], *values[-2:])
        lines = []
        for index, result in enumerate(results[:good]):
            norm = values[len(results) + index] if norms else None
            lines += self._line(result, values[index], norm, module)
        self._write(lines)
        module.state.last |= {key: value for key, value in (lines or [{}])[-1].items() if "/" in key or key == "lr"}
        if trouble is not None:
            raise trouble

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Write the lines of the finite steps before a step that ended the run."""
        assert isinstance(pl_module, Training)
        if isinstance(exception, Diverged):
            with suppress(Diverged):
                self.read(pl_module)

    def _line(self, result: StepResult, loss: float, norm: float | None, module: Training) -> list[dict[str, Any]]:
        per_epoch = module.plan.steps_per_epoch
        if (result.step - 1) % per_epoch == 0:
            self.epoch_losses = []
        self.epoch_losses.append(loss)
        self.waiting.append((loss, norm))
        if result.step % self.log_every and result.step != module.plan.total_steps:
            return []
        count = len(self.waiting)
        line = {
            "step": result.step,
            "epoch": round(result.step / per_epoch, 6),
            "train_seconds": round(result.train_seconds, 6),
            "train/loss": sum(loss for loss, _ in self.waiting) / count,
            "lr": result.lr,
        }
        if norm is not None:
            line["train/grad_norm"] = sum(norm or 0.0 for _, norm in self.waiting) / count
        line |= {name: float(value) for name, value in (result.logged or {}).items()}
        self.waiting.clear()
        return [line]

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the line of a validation, and update the best value."""
        assert isinstance(pl_module, Training)
        state = pl_module.state
        value = pl_module.measured[self.monitor.name]
        if math.isfinite(value) and (state.best is None or self.monitor.is_better(value, state.best["value"])):
            state.best = {"metric": self.monitor.name, "value": value, "step": state.step}
            if self.monitor.name not in KNOWN:  # whose name does not say it
                state.best["higher_is_better"] = self.monitor.higher_is_better
        state.last |= pl_module.measured
        line = {
            "step": state.step,
            "epoch": round(state.step / pl_module.plan.steps_per_epoch, 6),
            "train_seconds": round(pl_module.clock.train_seconds, 6),
        }
        self._write([line | pl_module.measured])

    def _write(self, lines: list[dict[str, Any]]) -> None:
        if self.run is not None:
            self.run.append(lines)
        if self.tracker is not None and lines:
            self.tracker.append(lines)


def _mean_over_processes(values: torch.Tensor, count: int) -> torch.Tensor:
    """Return the mean of each value, in an order that does not depend on its place, as that of ``all_reduce`` does."""
    gathered = [torch.empty_like(values) for _ in range(count)]
    torch.distributed.all_gather(gathered, values)
    return sum(gathered[1:], gathered[0]) / count
