"""Saving: the newest checkpoints and the best one."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from time import monotonic
from typing import Any

import pytorch_lightning as pl

from fastrun.callback.record import Record
from fastrun.checkpoint_io import DurableCheckpointIO
from fastrun.metric import Known
from fastrun.module import Training
from fastrun.rundir import RunDir


class Checkpoint(pl.Callback):
    """Saves where the plan says so, where a validation was the best so far, and where the run ends.

    Args:
        run: where to.
        metric: what the best is judged by.
        record: brought up to date before each save, so that a run that resumes lacks no line.
        keep: how many of the newest stay, beside the best; None or 0: all.
        minutes: save as well where a call of steps ends that long after the last save.
        now: a clock, in seconds.
    """

    def __init__(
        self,
        run: RunDir,
        metric: Known,
        record: Record,
        keep: int | None,
        minutes: float | None = None,
        now: Callable[[], float] = monotonic,
    ) -> None:
        self.run, self.metric, self.record, self.keep = run, metric, record, keep
        self.seconds = None if minutes is None else 60 * minutes
        self.now, self.since = now, now()
        self.saved_at = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start to count minutes. What the run goes on from is saved; its save may have died before it removed any."""
        assert isinstance(pl_module, Training)
        self.saved_at, self.since = pl_module.tally.step, self.now()
        if trainer.is_global_zero and self.saved_at:
            self._prune(self.saved_at, _best(pl_module))

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Save if it is due; where a validation is due as well, it comes first, so that its result is saved too.

        Raises:
            StorageError: the last checkpoint could not be written, as it turned out since.
        """
        assert isinstance(pl_module, Training)
        _writer(trainer).poll()
        if not pl_module.plan.validates(pl_module.tally.step) and self._due(trainer, pl_module):
            self.save(trainer, pl_module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save if it is due, the best so far, or the end."""
        assert isinstance(pl_module, Training)
        _writer(trainer).poll()
        tally = pl_module.tally
        is_best = tally.best is not None and tally.best["step"] == tally.step
        if self._due(trainer, pl_module) or is_best or trainer.should_stop:
            self.save(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the end, if somebody's callback brought it about where nothing was due."""
        assert isinstance(pl_module, Training)
        self.save(trainer, pl_module)

    def _due(self, trainer: pl.Trainer, module: Training) -> bool:
        """Say whether it is time; where minutes decide, the first process decides for all."""
        if module.plan.saves(module.tally.step) or self.seconds is None:
            return module.plan.saves(module.tally.step)
        due = self.now() - self.since >= self.seconds
        return bool(trainer.strategy.broadcast(due)) if trainer.world_size > 1 else due

    def save(self, trainer: pl.Trainer, module: Training, wait: bool = False) -> None:
        """Have a checkpoint written, and those removed then that are neither among the newest nor the best.

        Args:
            trainer: whose plugin writes.
            module: what is saved.
            wait: return only when the checkpoint is there.

        Raises:
            StorageError: there is no room for it, the one before could not be written, or this one if waited for.
        """
        if module.tally.step != self.saved_at:
            self.saved_at, self.since = module.tally.step, self.now()
            self.record.read(module)
            path = self.run.checkpoints / f"step-{module.tally.step:08d}.ckpt"
            with module.clock.within("checkpoint"):
                trainer.save_checkpoint(path, storage_options=partial(self._prune, module.tally.step, _best(module)))
        if wait:
            with module.clock.within("checkpoint"):
                _writer(trainer).wait()

    def _prune(self, step: int, best: int | None) -> None:
        """Remove what the checkpoint of this step, which is there, makes one too many."""
        older = [saved for saved in self.run.saved() if saved.step < step]
        for old in older[self.keep - 1 :] if self.keep else ():
            if old.step != best:
                old.remove()


def _best(module: Training) -> int | None:
    return module.tally.best["step"] if module.tally.best else None


def _writer(trainer: pl.Trainer) -> DurableCheckpointIO:
    found = trainer.strategy.checkpoint_io
    assert isinstance(found, DurableCheckpointIO)
    return found
