"""What a trial chooses between: each dimension is a key of the config that the user has left open, and its values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from fastrun.components.amp.precision import choose_precision
from fastrun.components.speed.memory_format import has_convolutions, has_unsafe_convolutions
from fastrun.config.settings import Settings
from fastrun.system.cores import allowed_cores
from fastrun.training.builders.optimizer import has_fused_kernels

_THREADS_GAIN = 1.25  # that more threads must bring: they take cores from others, and wait for one another
_GAIN = 1.03  # that another value must bring: less may be chance

Choice = Mapping[str, Any]  # values by dotted key


@dataclass(frozen=True)
class Dimension:
    """A key that is open.

    Attributes:
        key: the dotted key.
        values: the values to try; a run takes the first one if nothing is measured.
        gain: how many times as fast another value must be to be chosen in place of the one before.
    """

    key: str
    values: tuple[Any, ...]
    gain: float = _GAIN


def with_choice(settings: Settings, choice: Choice) -> Settings:
    """Return settings with some keys set, those of closed groups or those that belong to no group."""
    for key, value in choice.items():
        group, _, name = key.partition(".")
        new = replace(getattr(settings, group), **{name: value}) if name else value
        settings = replace(settings, **{group: new})
    return settings


def open_keys(settings: Settings) -> list[str]:
    """Return the keys that the user has left to fastrun, and that are not decided yet.

    Once something has been found, a key of ``speed`` that is null is one that does not apply to the run.
    """
    speed = settings.speed
    keys = ["speed.threads"] if speed.threads is None else []
    if settings.amp.kind == "auto":
        keys.append("amp.kind")
    if speed.kind == "auto" and not speed.found:
        names = ("channels_last", "compile", *(["fused"] if has_fused_kernels(settings) else []))
        keys += [f"speed.{name}" for name in names if getattr(speed, name) is None]
    if settings.pipeline.kind == "workers" and settings.pipeline.num_workers is None:
        keys.append("pipeline.num_workers")
    return keys


def dimensions(settings: Settings, net: nn.Module, device: torch.device, processes: int) -> list[Dimension]:
    """Return what there is to choose for a network, the most important first.

    Args:
        settings: the settings of the run.
        net: its network.
        device: the device.
        processes: the number of processes that share the cores.
    """
    keys, found = open_keys(settings), []
    if "speed.threads" in keys:
        found.append(Dimension("speed.threads", _threads(settings, device, processes), _THREADS_GAIN))
    if "amp.kind" in keys:
        found.append(Dimension("amp.kind", _precisions(device)))
    if "speed.channels_last" in keys and has_convolutions(net):
        is_unsafe = device.type == "cpu" and has_unsafe_convolutions(net)
        found.append(Dimension("speed.channels_last", (False,) if is_unsafe else (True, False)))
    if "speed.fused" in keys:
        found.append(Dimension("speed.fused", (True, False)))
    return found


def _threads(settings: Settings, device: torch.device, processes: int) -> tuple[int, ...]:
    """Return one, half and all of the cores of a process; all of them only where the CPU does not train."""
    cores = max(1, allowed_cores() // processes)
    if device.type != "cpu" or settings.speed.kind != "auto":
        return (cores,)
    return tuple(sorted({1, max(1, cores // 2), cores}))


def _precisions(device: torch.device) -> tuple[str, ...]:
    """Return the options of ``amp``: on a GPU, whose units in 16 bits are many times as fast, those first."""
    name = choose_precision("auto", device).name
    half = {"bf16-mixed": ("bf16",), "16-mixed": ("fp16",), "32-true": ()}[name]
    return (*half, "off") if device.type == "cuda" else ("off", *half)


def first_choice(found: list[Dimension]) -> dict[str, Any]:
    """Return the first value of each dimension."""
    return {dimension.key: dimension.values[0] for dimension in found}


def describe(key: str, value: Any) -> str:
    """Return a value as it is typed, such as ``amp=bf16`` or ``speed.threads=2``."""
    text = {True: "true", False: "false"}.get(value, value) if isinstance(value, bool) else value
    return f"{key.removesuffix('.kind')}={text}"


def rows_of(choice: Choice) -> Iterator[str]:
    """Yield each value of a choice as it is typed."""
    yield from (describe(key, value) for key, value in choice.items())
