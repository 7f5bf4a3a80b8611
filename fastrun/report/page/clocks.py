"""The two clocks of a run as stacked bars."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fastrun.system.clock import PHASES

_NAMES = {
    "startup": "starting up",
    "compile": "compiling",
    "data_wait": "waiting for data",
    "train": "training steps",
    "validate": "validating",
    "checkpoint": "saving checkpoints",
}
_TRAINING = ("data_wait", "train")  # the phases of the training clock
_LEAST = 1e-9


@dataclass(frozen=True)
class Part:
    """A phase in a bar."""

    name: str
    color: int
    seconds: float
    share: float


@dataclass(frozen=True)
class Bar:
    """A clock: its parts add up to it."""

    title: str
    seconds: float
    parts: list[Part]


def clock_bars(clock: Mapping[str, Any]) -> list[Bar]:
    """Return the bars of the wall clock and of the training clock.

    Args:
        clock: the seconds of each phase, as summary.json has them; nothing where there is no summary.
    """
    seconds = {phase: float(clock.get(phase) or 0.0) for phase in PHASES if phase in clock}
    if not seconds:
        return []
    bars = [("Wall clock, from the start of the process", seconds)]
    bars.append(("Training clock, which counts", {name: seconds[name] for name in _TRAINING if name in seconds}))
    return [_bar(title, phases) for title, phases in bars]


def _bar(title: str, seconds: Mapping[str, float]) -> Bar:
    total = sum(seconds.values())
    parts = [
        Part(_NAMES.get(phase, phase), PHASES.index(phase), spent, spent / max(total, _LEAST))
        for phase, spent in seconds.items()
        if spent > 0
    ]
    return Bar(title, total, parts)
