"""Reports validations to a schedule that depends on them."""

from __future__ import annotations

import pytorch_lightning as pl

from fastrun.config.monitor import Monitor
from fastrun.training.module import Training


class Plateau(pl.Callback):
    """Reports each validation to the schedule, whose state is part of the module's checkpoint."""

    def __init__(self, monitor: Monitor) -> None:
        self.monitor = monitor

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report the validation to the schedule."""
        assert isinstance(pl_module, Training)
        assert pl_module.watching is not None
        pl_module.watching.judge(pl_module.measured[self.monitor.name], self.monitor.higher_is_better)
