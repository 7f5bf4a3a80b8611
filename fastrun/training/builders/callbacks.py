"""Building the callbacks of a run, in the order in which they act."""

from __future__ import annotations

from collections.abc import Sequence

import pytorch_lightning as pl
from rich.console import Console

from fastrun.components.checkpoint.timer import SaveTimer
from fastrun.components.early_stopping.patience import Patience
from fastrun.components.target.target import Target
from fastrun.config import instantiate
from fastrun.config.duration import to_minutes
from fastrun.config.monitor import Monitor
from fastrun.config.objects import is_object
from fastrun.config.settings import Settings
from fastrun.errors import ConfigError, FastrunError
from fastrun.storage.run_dir import RunDir
from fastrun.training.builders.logger import Tracking
from fastrun.training.callbacks.checkpoint import Checkpoint
from fastrun.training.callbacks.early_stopping import EarlyStopping
from fastrun.training.callbacks.interrupt import Interrupt
from fastrun.training.callbacks.metrics_recorder import MetricsRecorder
from fastrun.training.callbacks.plateau import Plateau
from fastrun.training.callbacks.progress import ProgressBar, ProgressLines
from fastrun.training.callbacks.target import TargetReached
from fastrun.training.module import Training
from fastrun.training.objective import monitor_for


def build_callbacks(
    settings: Settings,
    run: RunDir,
    console: Console | None,
    is_first: bool,
    module: Training,
    monitor: Monitor,
    tracker: Tracking | None,
    objects: Sequence[pl.Callback] | None = None,
) -> list[pl.Callback]:
    """Return the callbacks of a run.

    They act in this order: record the metrics, decide whether to stop, save, show the progress, the user's callbacks,
    and last the one that stops the run after a signal.

    Args:
        settings: the settings of the run.
        run: the run directory; only the first of several processes writes to it.
        console: a terminal to draw a progress bar on, or None.
        is_first: whether this process is the one that writes.
        module: the LightningModule.
        monitor: the metric that decides on the best checkpoint.
        tracker: where metrics are logged beside the run directory, or None.
        objects: callbacks that are given as objects.

    Raises:
        ConfigError: a metric is not measured, or a user's callback is not a Lightning Callback.
    """
    recorder = MetricsRecorder(run if is_first else None, monitor, settings.log_every, tracker)
    callbacks: list[pl.Callback] = [recorder, *_build_deciding_callbacks(settings, module, monitor)]
    checkpoint = None
    if settings.checkpoint.kind != "none":
        timer = SaveTimer(to_minutes(settings.checkpoint.every))
        checkpoint = Checkpoint(run, recorder, settings.checkpoint.keep, timer)
        callbacks.append(checkpoint)
    if is_first:
        callbacks.append(ProgressBar(console, monitor.name) if console else ProgressLines(recorder))
    return [*callbacks, *build_user_callbacks(settings, objects or ()), Interrupt(checkpoint)]


def _build_deciding_callbacks(settings: Settings, module: Training, monitor: Monitor) -> list[pl.Callback]:
    """Return the callbacks that decide after each validation whether the run stops, or lowers its learning rate."""
    callbacks: list[pl.Callback] = []
    if settings.target.value is not None:
        monitor.check_target(settings.target.value)
        callbacks.append(TargetReached(Target(monitor, settings.target.value, settings.target.stop)))
    stopping = settings.early_stopping
    if stopping.kind == "patience":
        stopping_monitor = monitor_for(
            stopping.metric or settings.target.metric, module.objective, "early_stopping.metric"
        )
        callbacks.append(EarlyStopping(Patience(stopping_monitor, stopping.patience, stopping.min_delta)))
    if module.watching is not None:
        callbacks.append(Plateau(monitor))
    return callbacks


def build_user_callbacks(settings: Settings, objects: Sequence[pl.Callback]) -> list[pl.Callback]:
    """Return the callbacks of the config key ``callbacks`` in its order, and then those that are given as objects.

    Raises:
        ConfigError: one cannot be built or is not a Lightning Callback.
    """
    callbacks = []
    components = {name: config for name, config in settings.callbacks.items() if not (objects and is_object(config))}
    for name, config in components.items():
        key = f"callbacks.{name}"
        bound = instantiate.bind(key, config)
        callback = _call(key, bound) if bound else None
        if not isinstance(callback, pl.Callback):
            raise ConfigError(f"{key} is not a Lightning Callback", f"+{key}._target_=mymod.MyCallback")
        callbacks.append(callback)
    return [*callbacks, *objects]


def _call(key: str, bound: instantiate.Bound) -> object:
    instantiate.check_complete(key, bound)
    try:
        return bound()
    except FastrunError:
        raise
    except Exception as error:
        message, hint = instantiate.describe_error(bound.func, error)
        raise ConfigError(f"{key}: {message}", hint) from error
