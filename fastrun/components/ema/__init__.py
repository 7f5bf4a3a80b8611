"""Averages of a network's weights over steps. A validation can use them in place of the last weights."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from fastrun.components.ema.ema import exponential
from fastrun.components.ema.running import Average
from fastrun.components.ema.swa import snapshots
from fastrun.config.duration import to_steps
from fastrun.config.settings import EmaConfig
from fastrun.errors import ConfigError


def build_average(
    ema: EmaConfig,
    net: nn.Module,
    steps_per_epoch: int,
    total_steps: int,
    parameters: Sequence[nn.Parameter] | None = None,
) -> Average | None:
    """Return the average of the weights that a run keeps; None for ``ema=none``.

    Args:
        ema: the settings of the group.
        net: the network, on its device and in its memory layout; its tensors must stay the same objects.
        steps_per_epoch: the steps of an epoch, for durations in epochs.
        total_steps: the steps of the run, for durations in percent.
        parameters: what to average in place of the network's parameters; None for these.

    Raises:
        ConfigError: a duration is invalid, or the run ends before the first snapshot.
    """
    if ema.kind == "none":
        return None

    def steps(key: str, duration: str) -> int:
        return to_steps(duration, steps_per_epoch=steps_per_epoch, total_steps=total_steps, key=f"ema.{key}")

    every = steps("every", ema.every)
    if every < 1:
        raise ConfigError(f"ema.every={ema.every} is less than a step")
    if ema.kind == "ema":
        return Average(net, exponential(ema.decay, every, ema.warmup), ema.refit, parameters)
    start = steps("start", ema.start)
    if start > total_steps:
        raise ConfigError(f"ema.start={ema.start} is past the {total_steps} steps of the run", "ema.start=75%")
    return Average(net, snapshots(start, every, total_steps), ema.refit, parameters)
