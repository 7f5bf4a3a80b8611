"""A linear warmup from the last learning rate of a run to the curve of its new length, where it is resumed for longer.

Source: Ibrahim et al. 2024, "Simple and scalable strategies to continually pre-train large language models" (arXiv
2403.08763), which warm up again along a line. Here the line begins at the last rate instead of zero.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from fastrun.components.schedule import Curve
from fastrun.components.schedule.resample import following
from fastrun.errors import ConfigError

SHARE = 0.05
"""The share of the remaining steps that the warmup takes."""


@dataclass(frozen=True)
class Extension:
    """The moment at which a run was given another length, as ``schedule.extended`` holds it.

    Attributes:
        step: the step of the schedule that came next, counted from 0.
        factor: the factor of the learning rate that the run had reached.
        steps: the length of the warmup in steps of the schedule.
    """

    step: int
    factor: float
    steps: int

    @classmethod
    def at(cls, step: int, factor: float, total_steps: int) -> Self | None:
        """Return the extension for the remaining steps of a run; None if only one step is left.

        Args:
            step: the step of the schedule that comes next, counted from 0.
            factor: the factor of the learning rate that the run had reached.
            total_steps: the new length of the schedule in steps, warmup included.
        """
        remaining = total_steps - step
        steps = min(max(1, round(SHARE * remaining)), remaining - 1)
        return cls(step, factor, steps) if steps > 0 else None

    @classmethod
    def read(cls, value: Any) -> Self:
        """Return the extension that the config key ``schedule.extended`` holds.

        Raises:
            ConfigError: the value is not one that fastrun writes.
        """
        names = cls.__dataclass_fields__.keys()
        if isinstance(value, Mapping) and value.keys() == names and _are_numbers(value):
            return cls(int(value["step"]), float(value["factor"]), int(value["steps"]))
        raise ConfigError(f"schedule.extended={value} is not what fastrun writes there", "leave it out")


def _are_numbers(value: Mapping[str, Any]) -> bool:
    """Say whether the values of an extension have the types and ranges that fastrun writes."""
    step, factor, steps = value["step"], value["factor"], value["steps"]
    is_whole = type(step) is int and type(steps) is int and step >= 0 and steps >= 1
    return is_whole and type(factor) in (int, float) and math.isfinite(factor) and factor >= 0


def rewarmed(curve: Curve, extension: Extension, total_steps: int) -> Curve:
    """Return a curve that goes along a line from the last factor to the given curve, then follows it.

    The first step after the extension already leaves the last factor, by ``1 / (steps + 1)`` of the line. The result is
    cyclic or watches validations if the curve does; the momentum is that of the given curve.

    Args:
        curve: the curve of the new length, with the warmup at the start of the run.
        extension: where the line starts, and how long it is.
        total_steps: the length of the curve; the line ends at its last step at the latest.
    """
    start, end = extension.step, min(extension.step + extension.steps, total_steps - 1)

    def factor(step: int) -> float:
        if not start <= step < end:
            return curve(step)
        share = (step - start + 1) / (end - start + 1)
        return extension.factor + (curve(end) - extension.factor) * share

    return following(curve, factor, lambda step: step)
