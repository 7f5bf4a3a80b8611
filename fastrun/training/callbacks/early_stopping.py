"""Ends a run whose validations do not improve."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl

from fastrun.components.early_stopping.patience import Patience
from fastrun.training.module import Training


class EarlyStopping(pl.Callback):
    """Ends the run when the patience is used up. The count of validations is part of a checkpoint."""

    def __init__(self, patience: Patience) -> None:
        self.patience = patience

    def state_dict(self) -> dict[str, Any]:
        """Return the best value and the number of validations since then."""
        return self.patience.state()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore the count of validations."""
        self.patience.load(state_dict)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count the validation, and end the run if the patience is used up."""
        assert isinstance(pl_module, Training)
        name = self.patience.monitor.name
        if self.patience.update(pl_module.measured[name]) and not trainer.should_stop:
            pl_module.state.stopped = f"{name} has not improved for {self.patience.waited} validations"
            trainer.should_stop = True
