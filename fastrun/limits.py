"""What a setting's type cannot say: words from a list, least values, keys that exclude each other."""

from __future__ import annotations

from typing import Any

from fastrun.errors import ConfigError, nearest
from fastrun.settings import Settings

_WORDS = {
    "views": ("none", "mirror", "mirror_shift"),
    "batch.lr_scaling": ("none", "linear", "sqrt"),
    "batch.kind": ("fixed", "auto"),
    "clip.kind": ("none", "norm", "value", "agc"),
    "early_stopping.kind": ("none", "patience", "budget"),
    "transfer.kind": ("none", "finetune", "linear_probe"),
    "transfer.match": ("name", "order"),
    "checkpoint.kind": ("standard", "every", "none"),
    "on_divergence.kind": ("stop", "rewind"),
    "ema.kind": ("none", "ema", "swa"),
    "amp.kind": ("off", "auto", "bf16", "fp16"),
    "pipeline.kind": ("resident", "workers", "plain"),
    "speed.kind": ("auto", "plain"),
    "device.accelerator": ("auto", "cpu", "gpu"),
    "device.strategy": ("auto", "ddp"),
}

_LEAST = {
    "seed": 0, "epochs": 1, "steps": 1, "log_every": 1, "batch.size": 1, "batch.accumulate": 1,
    "batch.base_size": 1, "early_stopping.patience": 1, "early_stopping.steps": 1, "early_stopping.min_delta": 0,
    "checkpoint.keep": 0, "pipeline.num_workers": 0, "pipeline.prefetch": 1, "device.count": 1,
    "speed.steps_per_call": 0, "clip.eps": 0, "ema.decay": 0, "ema.refit": 0,
    "on_divergence.times": 1, "sweep.jobs": 1, "sweep.random": 1, "sweep.seed": 0,
}  # fmt: skip


def value_at(settings: Settings, key: str) -> Any:
    """Return the value at a dotted key of the closed part."""
    node: Any = settings
    for part in key.split("."):
        node = getattr(node, part)
    return node


def check(settings: Settings) -> None:
    """Check what types cannot say: words from a list, least values, keys that exclude each other.

    Raises:
        ConfigError: the first that does not fit.
    """
    for key, words in _WORDS.items():
        word = value_at(settings, key)
        if word not in words:
            raise ConfigError(f"{key}={word} is not known", nearest(word, words) or f"choose from {', '.join(words)}")
    for key, least in _LEAST.items():
        value = value_at(settings, key)
        if value is not None and value < least:
            raise ConfigError(f"{key}={value} is too small", f"the least is {least}")
    if settings.clip.kind != "none" and settings.clip.max <= 0:
        raise ConfigError(f"clip.max={settings.clip.max} is too small", "it must be above 0")
    stopping = settings.early_stopping
    if stopping.kind == "budget" and (stopping.seconds is None) == (stopping.steps is None):
        raise ConfigError("early_stopping=budget needs one of seconds and steps", "early_stopping.seconds=60")
    if stopping.seconds is not None and stopping.seconds <= 0:
        raise ConfigError(f"early_stopping.seconds={stopping.seconds} is too small", "it must be above 0")
    if not 0 < settings.on_divergence.factor <= 1:
        raise ConfigError(f"on_divergence.factor={settings.on_divergence.factor} is not in (0, 1]", "0.5 halves rates")
    if settings.ema.decay >= 1:
        raise ConfigError(f"ema.decay={settings.ema.decay} never takes in a weight", "it must be below 1, as 0.999 is")
    if settings.transfer.kind == "none" and settings.transfer.source is not None:
        raise ConfigError("transfer.source is set, but transfer=none", "transfer=finetune or transfer=linear_probe")
    if settings.batch.accumulate > settings.batch.size:
        raise ConfigError("batch.accumulate is larger than batch.size", "a part needs one sample at least")
