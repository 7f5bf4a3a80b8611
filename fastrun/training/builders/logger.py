"""Starting the tracker of a run, which logs metrics to TensorBoard, W&B or MLflow."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pytorch_lightning.loggers.logger import DummyLogger, Logger

from fastrun.components.logger.hyperparameters import hyperparameters
from fastrun.components.logger.tracker import Tracker, reason_of
from fastrun.config import instantiate
from fastrun.config.instantiate import Bound
from fastrun.config.settings import Settings
from fastrun.errors import ConfigError, FastrunError
from fastrun.storage.checkpoint.files import SavedCheckpoint
from fastrun.storage.run_dir import RunDir

Tracking = Tracker | DummyLogger


def start_tracker(
    settings: Settings, run: RunDir, resume: Path | None, is_first: bool, step: Callable[[], int]
) -> Tracking | None:
    """Start the tracker and log the config to it.

    Args:
        settings: the settings of the run.
        run: the run directory.
        resume: the checkpoint to resume from, or None.
        is_first: whether this process is the one that writes; the others get a logger that does nothing.
        step: returns the number of optimizer steps taken.

    Returns:
        The tracker, or None with ``logger=none``.

    Raises:
        ConfigError: the tracker's package is missing, its arguments do not fit, or it does not start.
    """
    bound = instantiate.bind("logger", settings.logger)
    if bound is None:
        return None
    if not is_first:
        return DummyLogger()
    option = settings.choices.get("logger", "none")
    label = bound.func.__name__ if option == "none" else option  # logger=none with a _target_ of the user's
    first = SavedCheckpoint.read(resume).step if resume else 0
    tracker = Tracker(_start(bound, label, run, first), label, step)
    tracker.log_hyperparams(hyperparameters(settings))
    return tracker


def _start(bound: Bound, label: str, run: RunDir, step: int) -> Logger:
    name = f"{run.path.parent.name}/{run.path.name}"
    offered = instantiate.accepted(bound, folder=run.path, name=name, step=step)
    instantiate.check_complete("logger", bound, *offered)
    try:
        logger = bound(**offered)
        getattr(logger, "experiment", None)  # reading it creates files and connections, which may fail
    except FastrunError:
        raise
    except Exception as error:
        message = f"logger={label} does not start: {reason_of(error)}"
        raise ConfigError(message, "logger=none trains without it") from error
    if not isinstance(logger, Logger):
        raise ConfigError("logger._target_ is not a Lightning logger", "choose one: `fastrun options logger`")
    return logger
