"""Saves a run: the newest checkpoints and the best one."""

from __future__ import annotations

import logging
from functools import partial
from typing import Any

import pytorch_lightning as pl

from fastrun.components.checkpoint.retention import checkpoints_to_delete
from fastrun.components.checkpoint.timer import SaveTimer
from fastrun.storage.checkpoint.files import checkpoint_path
from fastrun.storage.checkpoint.io import AtomicCheckpointIO
from fastrun.storage.run_dir import RunDir
from fastrun.system.connection import is_broken
from fastrun.training.callbacks.metrics_recorder import MetricsRecorder
from fastrun.training.lightning_internals import save_alone
from fastrun.training.module import Training

log = logging.getLogger("fastrun")


class Checkpoint(pl.Callback):
    """Saves a checkpoint when it is due, after the best validation so far, and at the end of the run.

    Args:
        run: where to.
        recorder: brought up to date before each save, so that a run that resumes lacks no line.
        keep: how many of the newest stay, beside the best; None or 0: all.
        timer: says when a save by time is due.
    """

    def __init__(self, run: RunDir, recorder: MetricsRecorder, keep: int | None, timer: SaveTimer) -> None:
        self.run, self.recorder, self.keep, self.timer = run, recorder, keep, timer
        self.saved_at = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Remove the checkpoints that a save which was killed should have removed."""
        assert isinstance(pl_module, Training)
        self.saved_at = pl_module.state.step
        self.timer.restart()
        if trainer.is_global_zero and self.saved_at:
            self._prune(self.saved_at, _best_step(pl_module))

    def on_train_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *_: Any) -> None:
        """Save if it is due. A validation that is due as well comes first, so that its result is saved too.

        Raises:
            StorageError: the last checkpoint could not be written, as it turned out since.
        """
        assert isinstance(pl_module, Training)
        _writer(trainer).poll()
        if not pl_module.plan.validates(pl_module.state.step) and self._is_due(trainer, pl_module):
            self.save(trainer, pl_module)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save if it is due, if the validation is the best so far, or if the run ends."""
        assert isinstance(pl_module, Training)
        _writer(trainer).poll()
        is_best = _best_step(pl_module) == pl_module.state.step
        if self._is_due(trainer, pl_module) or is_best or trainer.should_stop:
            self.save(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save at the end of the run, if a user's callback ended it at a step where nothing was due."""
        assert isinstance(pl_module, Training)
        self.save(trainer, pl_module)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Save the steps that are done if another process has gone: a step that fails then has changed no weight."""
        assert isinstance(pl_module, Training)
        module, step = pl_module, pl_module.state.step
        if not (is_broken(exception) and module.is_between_steps and step > self.saved_at and trainer.is_global_zero):
            return
        if module.plan.validates(step):  # a run that goes on would not validate again
            return
        first = module.results[0].step if module.results else step
        self.recorder.read(module, alone=True)
        save_alone(trainer, checkpoint_path(self.run.checkpoints, step), partial(self._prune, step, _best_step(module)))
        _writer(trainer).wait()
        log.warning(f"saved at step {step}; train/loss from step {first} on is that of the first process's part")

    def _is_due(self, trainer: pl.Trainer, module: Training) -> bool:
        """Say whether a checkpoint is due; if minutes decide, the first process decides for all."""
        if module.plan.saves(module.state.step) or self.timer.seconds is None:
            return module.plan.saves(module.state.step)
        due = self.timer.is_due()
        return bool(trainer.strategy.broadcast(due)) if trainer.world_size > 1 else due

    def save(self, trainer: pl.Trainer, module: Training, wait: bool = False) -> None:
        """Write a checkpoint, then remove those that are neither among the newest nor the best.

        Args:
            trainer: whose plugin writes.
            module: what is saved.
            wait: return only when the checkpoint is there.

        Raises:
            StorageError: there is no room for it, the one before could not be written, or this one if waited for.
        """
        step = module.state.step
        if step != self.saved_at:
            self.saved_at = step
            self.timer.restart()
            self.recorder.read(module)
            path = checkpoint_path(self.run.checkpoints, step)
            with module.clock.within("checkpoint"):
                trainer.save_checkpoint(path, storage_options=partial(self._prune, step, _best_step(module)))
        if wait:
            with module.clock.within("checkpoint"):
                _writer(trainer).wait()

    def _prune(self, step: int, best: int | None) -> None:
        """Remove the checkpoints that need not be kept any more after the one of this step."""
        for old in checkpoints_to_delete(self.run.saved_checkpoints(), step, self.keep, best):
            old.remove()


def _best_step(module: Training) -> int | None:
    return module.state.best["step"] if module.state.best else None


def _writer(trainer: pl.Trainer) -> AtomicCheckpointIO:
    found = trainer.strategy.checkpoint_io
    assert isinstance(found, AtomicCheckpointIO)
    return found
