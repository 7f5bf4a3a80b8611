"""The callbacks of a run, in the order that they act in."""

from __future__ import annotations

import pytorch_lightning as pl
from rich.console import Console

from fastrun import component
from fastrun.callback.checkpoint import Checkpoint
from fastrun.callback.interrupt import Interrupt
from fastrun.callback.patience import Patience
from fastrun.callback.plateau import Plateau
from fastrun.callback.progress import Bar, Lines
from fastrun.callback.record import Record
from fastrun.callback.target import Target
from fastrun.errors import ConfigError, FastrunError
from fastrun.logger.start import Tracking
from fastrun.metric import Known, chosen
from fastrun.module import Training
from fastrun.rundir import RunDir
from fastrun.settings import Settings
from fastrun.span import minutes_in
from fastrun.task import Task


def callbacks_of(
    settings: Settings,
    run: RunDir,
    console: Console | None,
    is_first: bool,
    module: Training,
    metric: Known,
    task: Task,
    tracker: Tracking | None,
) -> list[pl.Callback]:
    """Return the callbacks in the order that they act in: note, judge, save, show, and last the user's own.

    Raises:
        ConfigError: a metric that is not measured, or a callback that is none.
    """
    record = Record(run if is_first else None, metric, settings.log_every, tracker)
    callbacks: list[pl.Callback] = [record]
    if settings.target.value is not None:
        callbacks.append(Target(metric, settings.target.value, settings.target.stop))
    stopping = settings.early_stopping
    if stopping.kind == "patience":
        watched = chosen(stopping.metric, task, "early_stopping.metric")
        callbacks.append(Patience(watched, stopping.patience, stopping.min_delta))
    if module.watching is not None:
        callbacks.append(Plateau(metric))
    checkpoint = None
    if settings.checkpoint.kind != "none":
        checkpoint = Checkpoint(run, metric, record, settings.checkpoint.keep, minutes_in(settings.checkpoint.every))
        callbacks.append(checkpoint)
    if is_first:
        callbacks.append(Bar(console, metric.name) if console else Lines(record))
    return [*callbacks, *own_callbacks(settings), Interrupt(checkpoint)]


def own_callbacks(settings: Settings) -> list[pl.Callback]:
    """Return the callbacks that the user added."""
    found = []
    for name, config in settings.callbacks.items():
        bound = component.bind(f"callbacks.{name}", config)
        made = _made(f"callbacks.{name}", bound) if bound else None
        if not isinstance(made, pl.Callback):
            raise ConfigError(
                f"callbacks.{name} is not a Lightning Callback", f"+callbacks.{name}._target_=mymod.MyCallback"
            )
        found.append(made)
    return found


def _made(key: str, bound: component.Bound) -> object:
    component.missing(key, bound)
    try:
        return bound()
    except FastrunError:
        raise
    except Exception as error:
        message, hint = component.told(bound.func, error)
        raise ConfigError(f"{key}: {message}", hint) from error
