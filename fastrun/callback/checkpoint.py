"""Saving: the newest few checkpoints and the best one."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytorch_lightning as pl

from fastrun.metric import Known
from fastrun.module import Training
from fastrun.rundir import RunDir, storage


class Checkpoint(pl.Callback):
    """Saves where the plan says so, where a validation was the best so far, and where the run ends."""

    def __init__(self, run: RunDir, metric: Known, keep: int) -> None:
        self.run, self.metric, self.keep = run, metric, keep
        self.saved_at = 0

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Save if it is due; where a validation is due as well, it comes first, so that its result is saved too."""
        assert isinstance(pl_module, Training)
        step = pl_module.tally.step
        if pl_module.plan.saves(step) and not pl_module.plan.validates(step):
            self.save(trainer, pl_module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save if it is due, the best so far, or the end."""
        assert isinstance(pl_module, Training)
        tally = pl_module.tally
        is_best = tally.best is not None and tally.best["step"] == tally.step
        if pl_module.plan.saves(tally.step) or is_best or trainer.should_stop:
            self.save(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the end, if somebody's callback brought it about where nothing was due."""
        assert isinstance(pl_module, Training)
        self.save(trainer, pl_module)

    def save(self, trainer: pl.Trainer, module: Training) -> None:
        """Have a checkpoint written, and those removed then that are neither among the newest nor the best."""
        if module.tally.step == self.saved_at:
            return
        self.saved_at = module.tally.step
        path = self.run.checkpoints / f"step-{module.tally.step:08d}.ckpt"
        best = module.tally.best["step"] if module.tally.best else None
        with module.clock.within("checkpoint"):
            trainer.save_checkpoint(path, storage_options=partial(self._prune, best))

    def _prune(self, best: int | None) -> None:
        for old in self.run.saved()[self.keep :]:
            if old.step != best:
                with storage(old.path):
                    old.path.with_suffix(".json").unlink()  # first, so that no manifest is without its file
                    old.path.unlink(missing_ok=True)
