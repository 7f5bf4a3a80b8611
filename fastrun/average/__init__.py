"""Averages of a network's weights over steps, to evaluate with in place of the last ones."""

from __future__ import annotations

from torch import nn

from fastrun.average.ema import exponential
from fastrun.average.running import Average
from fastrun.average.swa import snapshots
from fastrun.errors import ConfigError
from fastrun.settings import Ema
from fastrun.span import steps_in


def average(ema: Ema, net: nn.Module, steps_per_epoch: int, total_steps: int) -> Average | None:
    """Return the average that a run asks for, None for ``none``.

    Args:
        ema: the settings of the group.
        net: the network, on its device and in its memory layout; it keeps the tensors that it has now.
        steps_per_epoch: to count lengths in epochs.
        total_steps: to count lengths in parts of the run.

    Raises:
        ConfigError: a length is not one, or the run ends before the first snapshot.
    """
    if ema.kind == "none":
        return None

    def length(key: str, span: str) -> int:
        return steps_in(span, steps_per_epoch=steps_per_epoch, total_steps=total_steps, key=f"ema.{key}")

    every = length("every", ema.every)
    if every < 1:
        raise ConfigError(f"ema.every={ema.every} is less than a step")
    if ema.kind == "ema":
        return Average(net, exponential(ema.decay, every, ema.warmup), ema.refit)
    start = length("start", ema.start)
    if start > total_steps:
        raise ConfigError(f"ema.start={ema.start} is past the {total_steps} steps of the run", "ema.start=75%")
    return Average(net, snapshots(start, every, total_steps), ema.refit)
