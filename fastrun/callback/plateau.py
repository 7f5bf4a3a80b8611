"""What a schedule that watches validations is told of them."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl

from fastrun.metric import Known
from fastrun.module import Training
from fastrun.schedule import Watching


class Plateau(pl.Callback):
    """Hands each validation's result to the schedule, and keeps the schedule's memory in the checkpoint."""

    def __init__(self, metric: Known, curve: Watching) -> None:
        self.metric, self.curve = metric, curve

    def state_dict(self) -> dict[str, Any]:
        """Keep what the schedule has learned."""
        return self.curve.state()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from there."""
        self.curve.load(state_dict)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Let the schedule judge."""
        assert isinstance(pl_module, Training)
        self.curve.judge(pl_module.measured[self.metric.name], self.metric.higher_is_better)
