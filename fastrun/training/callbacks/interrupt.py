"""A run that was asked to stop: the call of steps is finished and saved first."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl

from fastrun.errors import Interrupted
from fastrun.system import signals
from fastrun.training.callbacks.checkpoint import Checkpoint
from fastrun.training.module import Training


class Interrupt(pl.Callback):
    """Looks between two calls of steps, and after a validation, whether there was a signal."""

    def __init__(self, checkpoint: Checkpoint | None) -> None:
        self.checkpoint = checkpoint

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Take signals back: Lightning has set a handler of its own by now, which would end the run unsaved."""
        signals.arm()

    def on_train_batch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Have signals wait from the first step on; until then, as in compiling, there is nothing to save."""
        signals.hold()

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Stop, unless a validation is due first: the run that goes on would not make up for it."""
        assert isinstance(pl_module, Training)
        if not pl_module.plan.validates(pl_module.state.step):
            self._stop(trainer, pl_module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop, what was measured saved as well."""
        assert isinstance(pl_module, Training)
        self._stop(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Have signals wait no longer: the end is saved."""
        signals.release()

    def _stop(self, trainer: pl.Trainer, module: Training) -> None:
        """Save and stop if there was a signal, in all processes at the same step."""
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
