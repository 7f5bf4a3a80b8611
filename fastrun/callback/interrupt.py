"""SIGINT and SIGTERM: finish the call, save, stop."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

import pytorch_lightning as pl

from fastrun.callback.checkpoint import Checkpoint
from fastrun.errors import Interrupted
from fastrun.module import Training


class Interrupt(pl.Callback):
    """Catches the first signal while the run trains; a second one ends the process at once."""

    def __init__(self, checkpoint: Checkpoint | None) -> None:
        self.checkpoint = checkpoint
        self.caught = 0
        self._before: dict[int, Any] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Listen, in place of Lightning, which would end with exit code 0; in the main thread, as Python wants it."""
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._before[number] = signal.signal(number, self._catch)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Give the signals back."""
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Give the signals back when the run ends by an error."""
        self.teardown(trainer, pl_module, "fit")

    def _catch(self, number: int, frame: FrameType | None) -> None:
        if self.caught:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self.caught = number

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Stop, unless a validation is due first: the run that goes on would not make up for it."""
        assert isinstance(pl_module, Training)
        if not pl_module.plan.validates(pl_module.tally.step):
            self._stop(trainer, pl_module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop, what was measured saved as well."""
        assert isinstance(pl_module, Training)
        self._stop(trainer, pl_module)

    def _stop(self, trainer: pl.Trainer, module: Training) -> None:
        """Save and stop if there was a signal, in all processes at the same step."""
        caught = bool(self.caught)
        if trainer.world_size > 1:
            caught = trainer.strategy.reduce_boolean_decision(caught, all=False)
        if not caught:
            return
        number = self.caught or signal.SIGTERM
        step = module.tally.step
        if self.checkpoint is None:
            raise Interrupted(number, f"stopped at step {step}; nothing is saved with checkpoint=none")
        self.checkpoint.save(trainer, module)
        raise Interrupted(
            number, f"stopped at step {step}, all of it saved", f"go on with: fastrun resume {self.checkpoint.run.path}"
        )
