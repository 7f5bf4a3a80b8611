"""Stops a run at a signal, after the current steps are finished and saved."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl

from fastrun.errors import Interrupted
from fastrun.system import signals
from fastrun.training.callbacks.checkpoint import Checkpoint
from fastrun.training.module import Training


class Interrupt(pl.Callback):
    """Checks for signals between two calls of steps and after each validation."""

    def __init__(self, checkpoint: Checkpoint | None) -> None:
        self.checkpoint = checkpoint

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Install our signal handlers again: Lightning has replaced them with one that ends the run unsaved."""
        signals.arm()

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Defer signals from the first step on. Before, as while compiling, there is nothing to save."""
        signals.hold()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Stop, unless a validation is due, which a resumed run would not repeat."""
        assert isinstance(pl_module, Training)
        if not pl_module.plan.validates(pl_module.state.step):
            self._stop(trainer, pl_module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop after the validation, whose result is saved as well."""
        assert isinstance(pl_module, Training)
        self._stop(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """End the deferral of signals: the end of the run is saved."""
        signals.release()

    def _stop(self, trainer: pl.Trainer, module: Training) -> None:
        """Save and stop at the same step in all processes, if any of them received a signal."""
        caught = signals.is_stop_requested()
        if trainer.world_size > 1:
            caught = trainer.strategy.reduce_boolean_decision(caught, all=False)
        if not caught:
            return
        number, step = signals.exit_signal(), module.state.step
        if self.checkpoint is None:
            raise Interrupted(number, f"stopped at step {step}; nothing is saved with checkpoint=none")
        self.checkpoint.save(trainer, module, wait=True)
        raise Interrupted(
            number, f"stopped at step {step}, all of it saved", f"go on with: fastrun resume {self.checkpoint.run.path}"
        )
