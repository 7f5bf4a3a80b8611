"""Timing what a run does between its steps: validations, and saving checkpoints."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import torch

from fastrun.redaction import redact
from fastrun.storage.checkpoint.files import checkpoint_path
from fastrun.storage.checkpoint.io import AtomicCheckpointIO
from fastrun.storage.checkpoint.state import CheckpointState, TrainState
from fastrun.tune.diagnose.trial import Trial

_SAVES = 3


@dataclass(frozen=True)
class Save:
    """The seconds of saving a checkpoint.

    Attributes:
        blocking: the time for which training waits while the state is copied.
        written: the time until the copy is on the disk; the next save waits for that.
    """

    blocking: float
    written: float


def measure_validation(trial: Trial, seconds: float) -> float:
    """Return the seconds of a validation; a long one is estimated from its first batches.

    Args:
        trial: the training.
        seconds: the time that measuring may take, about.
    """
    trial.use_threads()
    trial.parts.net.eval()
    try:
        with torch.inference_mode():
            return _evaluate(trial, seconds) + _refitting(trial)
    finally:
        trial.parts.net.train()


def _evaluate(trial: Trial, seconds: float) -> float:
    """Evaluate 1, 2, 4 … batches until the time is over, and return the seconds that all batches would take."""
    total, count = trial.validation_batches, 1

    def evaluate() -> dict[str, float]:
        return trial.parts.objective.measure(trial.parts.net, islice(trial.parts.loaders.val, count))

    evaluate()  # not measured: it chooses kernels, and worker processes start
    taken = trial.timer.once(evaluate)
    while count < total and taken < seconds:
        count = min(2 * count, total)
        taken = trial.timer.once(evaluate)
    return taken * total / count


def _refitting(trial: Trial) -> float:
    """Return the seconds of the training batches that refit the norms of averaged weights before a validation."""
    average = trial.parts.update.average
    if average is None or not average.batches_to_refit:
        return 0.0
    batch = trial.stepper.to_memory_format(trial.batch)
    return average.batches_to_refit * trial.timer.once(lambda: trial.parts.objective.forward(trial.parts.net, batch))


def measure_save(trial: Trial, outputs: Path) -> Save:
    """Save the state of a training some times, and return the medians.

    Args:
        trial: the training.
        outputs: the folder of run directories; the files lie in a folder on the same disk, which is removed again.

    Raises:
        StorageError: the disk is full.
    """
    writer = AtomicCheckpointIO()
    with tempfile.TemporaryDirectory(prefix=".fastrun-", dir=_writable(outputs)) as folder:
        checkpoints = Path(folder) / "checkpoints"
        checkpoints.mkdir()
        try:
            saves = [
                _save(trial, writer, lambda: _content(trial), checkpoint_path(checkpoints, step))
                for step in range(_SAVES)
            ]
        finally:
            writer.teardown()
    return Save(median(save.blocking for save in saves), median(save.written for save in saves))


def _save(trial: Trial, writer: AtomicCheckpointIO, content: Callable[[], dict[str, Any]], path: Path) -> Save:
    clock = trial.timer.clock
    trial.timer.synchronize()
    begin = clock()
    writer.save_checkpoint(content(), path)
    blocking = clock() - begin
    writer.wait()
    return Save(blocking, clock() - begin)


def _content(trial: Trial) -> dict[str, Any]:
    """Return a checkpoint as Lightning and the run make it."""
    parts, update = trial.parts, trial.parts.update
    checkpoint = {"state_dict": parts.net.state_dict(), "optimizer_states": [update.optimizer.state_dict()]}
    CheckpointState(
        train_state=TrainState().state(),
        world_size=1,
        clock={},
        metrics={},
        config=redact(asdict(trial.settings)),
        data=parts.setup.learned.state(),
        scaler=update.precision.scaler.state_dict() if update.precision.scaler is not None else None,
        average=update.average.state() if update.average is not None else None,
    ).put_into(checkpoint)
    return checkpoint


def _writable(outputs: Path) -> Path | None:
    """Return the folder of run directories, or the one above it that exists; None where it cannot be written."""
    there = next(folder for folder in (outputs, *outputs.absolute().parents) if folder.is_dir())
    try:
        with tempfile.TemporaryFile(dir=there):
            return there
    except OSError:
        return None
