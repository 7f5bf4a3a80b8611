"""Time to target: the first validation at or past the value that the run is for."""

from __future__ import annotations

import pytorch_lightning as pl

from fastrun.metric import Known
from fastrun.module import Training


class Target(pl.Callback):
    """Notes both clocks at the target and, with ``stop``, ends the run there."""

    def __init__(self, metric: Known, value: float, stop: bool) -> None:
        self.metric, self.value, self.stop = metric, value, stop

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Compare."""
        assert isinstance(pl_module, Training)
        tally, clock = pl_module.tally, pl_module.clock
        if tally.target is None and self.metric.reaches(pl_module.measured[self.metric.name], self.value):
            tally.target = {
                "steps": tally.step,
                "samples": tally.samples,
                "train_seconds": clock.train_seconds,
                "wall_seconds": clock.wall_seconds,
            }
            if self.stop:
                tally.stopped = f"{self.metric.name} reached {self.value:g}"
                trainer.should_stop = True
