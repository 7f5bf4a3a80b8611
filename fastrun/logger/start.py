"""Starting the tracker that a run asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pytorch_lightning.loggers.logger import DummyLogger, Logger

from fastrun import component
from fastrun.component import Bound
from fastrun.errors import ConfigError, FastrunError
from fastrun.logger.hyperparameters import hyperparameters
from fastrun.logger.tracker import Tracker, reason_of
from fastrun.rundir import RunDir
from fastrun.settings import Settings

Tracking = Tracker | DummyLogger


def tracking(
    settings: Settings, run: RunDir, resume: Path | None, is_first: bool, step: Callable[[], int]
) -> Tracking | None:
    """Return the tracker, started and told the config; in all but the first process, one that does nothing.

    Args:
        settings: the run, whole.
        run: its directory.
        resume: the checkpoint that it goes on from.
        is_first: whether this process is the one that writes.
        step: returns the optimizer steps done.

    Raises:
        ConfigError: its package is missing, its arguments do not fit, or it does not start.
    """
    bound = component.bind("logger", settings.logger)
    if bound is None:
        return None
    if not is_first:
        return DummyLogger()
    chosen = settings.choices.get("logger", "none")
    label = bound.func.__name__ if chosen == "none" else chosen  # a target of one's own, put in the place of none
    done = run.read(f"checkpoints/{resume.stem}.json").get("step", 0) if resume else 0
    tracker = Tracker(_started(bound, label, run, done), label, step)
    tracker.log_hyperparams(hyperparameters(settings))
    return tracker


def _started(bound: Bound, label: str, run: RunDir, step: int) -> Logger:
    name = f"{run.path.parent.name}/{run.path.name}"
    offered = component.named(bound, folder=run.path, name=name, step=step)
    component.missing("logger", bound, *offered)
    try:
        logger = bound(**offered)
        getattr(logger, "experiment", None)  # the first look at it makes files and connections
    except FastrunError:
        raise
    except Exception as error:
        message = f"logger={label} does not start: {reason_of(error)}"
        raise ConfigError(message, "logger=none trains without it") from error
    if not isinstance(logger, Logger):
        raise ConfigError("logger._target_ is not a Lightning logger", "choose one: `fastrun options logger`")
    return logger
