"""Checks beyond the types of settings: allowed words, ranges, and keys that need or exclude each other."""

from __future__ import annotations

from dataclasses import fields
from operator import attrgetter

from fastrun.config import registry
from fastrun.config.constraints import check as check_field
from fastrun.config.constraints import check_word
from fastrun.config.settings import CLOSED, Settings, closed_keys
from fastrun.errors import ConfigError


def check(settings: Settings) -> None:
    """Check the settings of a run beyond their types.

    Args:
        settings: the settings of a run.

    Raises:
        ConfigError: a value is not allowed; the error is about the first such value.
    """
    for key, entry in closed_keys():
        check_field(key, attrgetter(key)(settings), entry)
    for group, closed in CLOSED.items():
        if any(entry.name == "kind" for entry in fields(closed)):
            check_word(f"{group}.kind", getattr(settings, group).kind, registry.shipped_options(group))
    _check_ranges(settings)
    _check_together(settings)


def _check_ranges(settings: Settings) -> None:
    """Check ranges that exclude their bounds; a NaN is in no range."""
    if settings.clip.kind != "none" and not settings.clip.max > 0:
        raise ConfigError(f"clip.max={settings.clip.max} is too small", "it must be above 0")
    seconds = settings.early_stopping.seconds
    if seconds is not None and not seconds > 0:
        raise ConfigError(f"early_stopping.seconds={seconds} is too small", "it must be above 0")
    factor = settings.on_divergence.factor
    if not 0 < factor <= 1:
        raise ConfigError(f"on_divergence.factor={factor} is not in (0, 1]", "0.5 halves every learning rate")
    decay = settings.ema.decay
    if not decay < 1:
        raise ConfigError(f"ema.decay={decay} never updates the average", "it must be below 1, such as 0.999")


def _check_together(settings: Settings) -> None:
    """Check keys that need or exclude each other."""
    stopping = settings.early_stopping
    if stopping.kind == "budget" and (stopping.seconds is None) == (stopping.steps is None):
        raise ConfigError("early_stopping=budget needs exactly one of seconds and steps", "early_stopping.seconds=60")
    if settings.transfer.kind == "none" and settings.transfer.source is not None:
        hint = "choose transfer=finetune or transfer=linear_probe"
        raise ConfigError("transfer.source is set, but transfer=none", hint)
    if settings.batch.accumulate > settings.batch.size:
        raise ConfigError("batch.accumulate is larger than batch.size", "each part needs at least one sample")
    zipped = settings.sweep.zip
    if not isinstance(zipped, (bool, list, type(None))):
        raise ConfigError(
            f"sweep.zip={zipped} is not a list of keys", "write sweep.zip=true or sweep.zip=[seed,epochs]"
        )
