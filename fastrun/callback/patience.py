"""Early stopping after validations without an improvement. Source: Prechelt 1998, "Early stopping: but when?"."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl

from fastrun.metric import Known
from fastrun.module import Training


class Patience(pl.Callback):
    """Ends the run after ``patience`` validations in a row that improve on the best by no more than ``min_delta``."""

    def __init__(self, metric: Known, patience: int, min_delta: float) -> None:
        self.metric, self.patience, self.min_delta = metric, patience, min_delta
        self.best: float | None = None
        self.waited = 0

    def state_dict(self) -> dict[str, Any]:
        """Keep the best value and how long it has stood."""
        return {"best": self.best, "waited": self.waited}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on waiting."""
        self.best, self.waited = state_dict["best"], state_dict["waited"]

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count."""
        assert isinstance(pl_module, Training)
        value = pl_module.measured[self.metric.name]
        if self.best is None or self.metric.better(value, self.best, self.min_delta):
            self.best, self.waited = value, 0
            return
        self.waited += 1
        if self.waited >= self.patience and not trainer.should_stop:
            pl_module.tally.stopped = f"{self.metric.name} has not improved for {self.waited} validations"
            trainer.should_stop = True
