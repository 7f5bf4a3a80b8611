"""The progress of a run: a bar in a terminal, and a line for each epoch."""

from __future__ import annotations

import logging
from datetime import timedelta
from time import perf_counter
from typing import Any

import pytorch_lightning as pl
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from fastrun.training.callbacks.metrics_recorder import MetricsRecorder
from fastrun.training.module import Training

_SECONDS = 0.5  # between two drawings of the bar, which cost milliseconds

log = logging.getLogger("fastrun")


def epoch_line(module: Training, losses: list[float]) -> str:
    """Return the line of an epoch: its mean training loss, the last validation, and the samples per second."""
    plan, state, clock = module.plan, module.state, module.clock
    parts = [
        f"epoch {-(-state.step // plan.steps_per_epoch)}/{plan.epochs}",
        f"step {state.step}",
        f"train/loss {sum(losses) / max(1, len(losses)):.4f}",
        *(f"{name} {value:.4f}" for name, value in state.last.items() if name.startswith("val/")),
        f"{state.samples / max(clock.train_seconds, 1e-9):,.0f} samples/s",
        f"{clock.train_seconds:.1f} s",
    ]
    left = clock.train_seconds * (plan.total_steps / max(1, state.step) - 1)
    parts += [f"{timedelta(seconds=round(left))} left"] if left >= 1 else []
    return "  ".join(parts)


class ProgressLines(pl.Callback):
    """Logs a line for each epoch, after its validation if it ends with one."""

    def __init__(self, record: MetricsRecorder) -> None:
        self.record = record

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Log an epoch that ends without a validation."""
        assert isinstance(pl_module, Training)
        plan, step = pl_module.plan, pl_module.state.step
        if plan.ends_epoch(step) and not plan.validates(step):
            log.info(epoch_line(pl_module, self.record.epoch_losses))

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log an epoch that ends with a validation or with the end of the run."""
        assert isinstance(pl_module, Training)
        if pl_module.plan.ends_epoch(pl_module.state.step) or trainer.should_stop:
            log.info(epoch_line(pl_module, self.record.epoch_losses))


class ProgressBar(pl.Callback):
    """Draws a bar with loss, metric, samples per second and remaining time, at most twice a second."""

    def __init__(self, console: Console, metric: str) -> None:
        self.metric = metric
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.completed:.0f}/{task.total:.0f}"),
            TextColumn("{task.fields[shown]}"),
            TimeRemainingColumn(),
            TextColumn("left"),
            console=console,
            auto_refresh=False,  # a thread that redraws would take the interpreter from the training loop
        )
        self.task: TaskID | None = None
        self._drawn = 0.0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start to draw the bar."""
        assert isinstance(pl_module, Training)
        total = pl_module.plan.total_steps
        self.task = self.progress.add_task("steps", total=total, completed=pl_module.state.step, shown="")
        self.progress.start()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Draw the bar if half a second has passed."""
        assert isinstance(pl_module, Training)
        if perf_counter() - self._drawn >= _SECONDS:
            self.draw(pl_module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Draw the bar with the result of the validation."""
        assert isinstance(pl_module, Training)
        self.draw(pl_module)

    def draw(self, module: Training) -> None:
        """Update the bar."""
        assert self.task is not None
        state, last = module.state, module.state.last
        shown = [f"loss {last['train/loss']:.4f}"] if "train/loss" in last else []
        shown += [f"{self.metric} {last[self.metric]:.4f}"] if self.metric in last else []
        shown += [f"{state.samples / max(module.clock.train_seconds, 1e-9):,.0f} samples/s"]
        self.progress.update(self.task, completed=state.step, total=module.plan.total_steps, shown="  ".join(shown))
        self.progress.refresh()
        self._drawn = perf_counter()

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Leave the bar as it is."""
        self.progress.stop()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Leave the bar as it is."""
        self.progress.stop()
