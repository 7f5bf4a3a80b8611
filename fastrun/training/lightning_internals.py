"""The attributes of Lightning that fastrun uses although they are not public, with a fallback for each.

To Lightning a run is one long epoch whose batches are ranges of optimizer steps. ``trainer.global_step`` and
``trainer.current_epoch`` have no setters, so this file sets the counters behind them for user callbacks that read them.
If a version of Lightning lacks such a counter, callbacks see Lightning's own count of calls and training goes on:
fastrun itself reads neither property.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytorch_lightning as pl


def set_current_epoch(trainer: pl.Trainer, epoch: int) -> None:
    """Set ``trainer.current_epoch`` to an epoch, counted from 0."""
    with suppress(AttributeError):
        progress = trainer.fit_loop.epoch_progress.current
        progress.completed = epoch
        progress.processed = epoch  # type: ignore[attr-defined]


def set_global_step(trainer: pl.Trainer, step: int) -> None:
    """Set ``trainer.global_step`` to the number of optimizer steps that a run has taken."""
    with suppress(AttributeError):
        trainer.fit_loop.epoch_loop.manual_optimization.optim_step_progress.total.completed = step


def save_alone(trainer: pl.Trainer, path: Path, then: Callable[[], None]) -> None:
    """Save a checkpoint as ``trainer.save_checkpoint`` does, without waiting for other processes, which are gone.

    Args:
        trainer: the trainer.
        path: the file.
        then: called once the checkpoint is there.
    """
    checkpoint = trainer._checkpoint_connector.dump_checkpoint(weights_only=False)
    trainer.strategy.save_checkpoint(checkpoint, path, storage_options=then)
