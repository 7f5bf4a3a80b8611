"""fastrun trains a network faster with the well-known heuristics, and proves which of them did it."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from fastrun import errors

if TYPE_CHECKING:
    from fastrun.run.runner import Run
    from fastrun.storage.job import Job, JobRecord
    from fastrun.training.trained.model import TrainedModel

__all__ = ["__version__", "errors", "load", "train"]

__version__ = "0.1.0"


def train(overrides: str | Sequence[str] = (), quiet: bool = False) -> Run:
    """Train a network, as ``fastrun train …`` does.

    Args:
        overrides: the arguments of the command line: a text that is split as a shell splits it, such as
            ``"+recipe=resnet_amp epochs=3"``, or a list of them.
        quiet: whether to print nothing.

    Returns:
        The run: its settings, its directory, its summary and metrics, and ``load_model()`` for its best network.

    Raises:
        fastrun.errors.FastrunError: the error with which the command line would end.
    """
    from fastrun import compose, redaction
    from fastrun.config import trust
    from fastrun.run import runner

    started = time.time()
    runs: list[Run] = []

    def run_job(job: Job) -> None:
        runs.append(runner.train(job.settings, job.folder, job.overrides, started=started, quiet=quiet))

    def refuse_sweep(*_: object) -> list[JobRecord]:
        raise errors.UsageError("fastrun.train trains one run only", "use `fastrun train … -m` for a sweep")

    rest, names = trust.split_trust(_words(overrides))
    redaction.learn_overrides(rest)
    with trust.grant(names):
        compose.run(rest, run_job, refuse_sweep)
    return runs[0]


def _words(overrides: str | Sequence[str]) -> Sequence[str]:
    if not isinstance(overrides, str):
        return overrides
    try:
        return shlex.split(overrides)
    except ValueError as error:
        raise errors.UsageError(f"{overrides}: {str(error).lower()}", "close it, or give a list") from error


def load(path: str | os.PathLike[str], checkpoint: str = "best") -> TrainedModel:
    """Load a trained model on the CPU, in evaluation mode. The data that it was trained on is not needed.

    Args:
        path: a run directory, the file of a checkpoint, or a ``model.safetensors`` of ``fastrun export``.
        checkpoint: of a run directory, ``best``, ``last``, or a path.

    Returns:
        A module that prepares its inputs as the run prepared its data: ``model(inputs)``. ``model.takes`` says which
        inputs it takes, and ``model.classes`` names its outputs.

    Raises:
        fastrun.errors.CheckpointError: there is no such run or checkpoint, or it cannot be read.
        fastrun.errors.ConfigError: the model cannot be built here, for example because its code is missing.
    """
    from pathlib import Path

    from fastrun.storage.checkpoint.select import select
    from fastrun.storage.run_dir import RunDir
    from fastrun.training.trained.export import weights_file
    from fastrun.training.trained.model import TrainedModel, load_model

    source = Path(path)
    if source.suffix == weights_file.SUFFIX and source.is_file():
        return TrainedModel(weights_file.load_file(source))
    if source.is_file():
        return load_model(source)
    run = RunDir.open(source)
    config = run.config()
    return load_model(select(run.checkpoints, checkpoint, config["target"]["metric"], config.get("metrics", {})))
