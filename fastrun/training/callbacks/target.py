"""Records when the target was reached, and ends the run there."""

from __future__ import annotations

import pytorch_lightning as pl

from fastrun.components.target.target import Target
from fastrun.training.module import Training


class TargetReached(pl.Callback):
    """Records both clocks at the first validation that reaches the target and, with ``stop``, ends the run there."""

    def __init__(self, target: Target) -> None:
        self.target = target

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Compare the validation with the target."""
        assert isinstance(pl_module, Training)
        state, clock, name = pl_module.state, pl_module.clock, self.target.monitor.name
        if state.target is not None or not self.target.is_reached(pl_module.measured[name]):
            return
        state.target = {
            "steps": state.step,
            "samples": state.samples,
            "train_seconds": clock.train_seconds,
            "wall_seconds": clock.wall_seconds,
        }
        if self.target.stop:
            state.stopped = f"{name} reached {self.target.value:g}"
            trainer.should_stop = True
