"""Checks beyond the types of settings: allowed words, ranges, and keys that need or exclude each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from operator import attrgetter
from typing import Any

from fastrun.config import constraints, registry
from fastrun.config.monitor import KNOWN, NAMES, Monitor, directions_of
from fastrun.config.settings import CLOSED, OPEN, SEVERAL, Settings, domains
from fastrun.errors import ConfigError


def check(settings: Settings) -> None:
    """Check the settings of a run beyond their types.

    Args:
        settings: the settings of a run.

    Raises:
        ConfigError: a value is not allowed; the error is about the first such value.
    """
    _check_metrics(settings)
    for key, domain in domains().items():
        if key in ("target.metric", "early_stopping.metric"):
            _check_metric(key, settings)
        elif key not in (*OPEN, *SEVERAL):
            constraints.check(key, attrgetter(key)(settings), domain)
    for group, closed in CLOSED.items():
        if any(entry.name == "kind" for entry in fields(closed)):
            constraints.check_word(f"{group}.kind", getattr(settings, group).kind, registry.shipped_options(group))
    _check_together(settings)


def _check_metrics(settings: Settings) -> None:
    """Check the names of metrics, which lines of metrics.jsonl have after ``val/``, and their directions."""
    for name, config in settings.metrics.items():
        if f"val/{name}" in KNOWN:
            raise ConfigError(f"metrics.{name}: val/{name} is a metric of fastrun's own", "choose another name")
        if not isinstance(config, Mapping) or config.get("_target_") is None:
            raise ConfigError(f"metrics.{name} has no _target_", f"+metrics.{name}._target_=mymod.MyMetric")
        for part, value in config.items():
            constraints.check(f"metrics.{name}.{part}", value)
        direction = config.get("higher_is_better")
        if direction not in (None, True, False):
            raise ConfigError(f"metrics.{name}.higher_is_better={direction} is not known", "write true or false")


def _check_metric(key: str, settings: Settings) -> None:
    """Check the name of a metric that decides; what a LightningModule of the user's logs is not known yet."""
    name, is_own = attrgetter(key)(settings), "." in str(settings.model.get("_target_"))
    if not (is_own and str(name).startswith("val/")):
        constraints.check_word(key, name, measured(settings.metrics))


def measured(metrics: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the metrics that may decide in a run: those of any task, and those that its config adds."""
    return (*KNOWN, *(f"val/{name}" for name in metrics))


def _check_together(settings: Settings) -> None:
    """Check keys that need or exclude each other."""
    stopping = settings.early_stopping
    if stopping.kind == "budget" and (stopping.seconds is None) == (stopping.steps is None):
        raise ConfigError("early_stopping=budget needs exactly one of seconds and steps", "early_stopping.seconds=60")
    if settings.transfer.kind == "none" and settings.transfer.source is not None:
        hint = "choose transfer=finetune or transfer=linear_probe"
        raise ConfigError("transfer.source is set, but transfer=none", hint)
    metric = settings.target.metric or _default_metric(settings.data)
    if metric is not None and settings.target.value is not None:
        Monitor.of(metric, directions_of(settings.metrics)).check_target(settings.target.value)
    if settings.batch.accumulate > settings.batch.size:
        raise ConfigError("batch.accumulate is larger than batch.size", "each part needs at least one sample")
    if not settings.speed.has_valid_outcome():
        raise ConfigError("speed.found is not what fastrun writes there", "use speed.found={} to measure again")
    zipped = settings.sweep.zip
    if not isinstance(zipped, (bool, list, type(None))):
        raise ConfigError(
            f"sweep.zip={zipped} is not a list of keys", "write sweep.zip=true or sweep.zip=[seed,epochs]"
        )


def _default_metric(data: Mapping[str, Any]) -> str | None:
    """Return the metric that decides in a run on a data set, as far as its settings alone tell the task; else None."""
    name = str(data.get("_target_"))
    tasks = {"text": "language", "table": str(data.get("task")), "hf": "" if data.get("target") else "language"}
    shipped = "classification" if name in registry.shipped_options("data") else ""
    names = NAMES.get(tasks.get(name, shipped))
    return f"val/{names[0]}" if names else None
