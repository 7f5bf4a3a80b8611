"""Lengths among a schedule's arguments: 500 steps, 2ep, 5% or 0.05 of the run become the share of the curve they are.

A schedule annotates such an argument as :data:`Length` (how long) or :data:`Moment` (when, from the run's first step,
warmup included), alone or in a tuple, and reckons with plain shares of its own ``steps``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import Enum
from math import nextafter
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from fastrun.errors import ConfigError
from fastrun.span import exact_steps_in


class Kind(Enum):
    """What a length says."""

    HOW_LONG = "how long"
    WHEN = "when"


Length = Annotated[float, Kind.HOW_LONG]
Moment = Annotated[float, Kind.WHEN]


@dataclass(frozen=True)
class Course:
    """The run that a schedule is fitted to: its steps, and how many of them the warmup takes."""

    total_steps: int
    steps_per_epoch: int
    warmup: int = 0

    @property
    def steps(self) -> int:
        """Return the length of the curve after the warmup."""
        return self.total_steps - self.warmup

    def steps_of(self, value: Any, key: str) -> float:
        """Return how many optimizer steps a length is, not rounded: a float is a share of the run, the rest a span.

        Raises:
            ConfigError: the value is no length; ``key`` names it.
        """
        if isinstance(value, float):
            if not 0 <= value <= 1:
                raise ConfigError(f"{key}={value} is not a share of the run", f"write 0 to 1, or {_FORMS}")
            return value * self.total_steps
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            raise ConfigError(f"{key}={value} is not a length", f"write {_FORMS}")
        return exact_steps_in(str(value), steps_per_epoch=self.steps_per_epoch, total_steps=self.total_steps, key=key)

    def share(self, value: Any, kind: Kind, key: str) -> float:
        """Return a length as a share of the curve.

        Raises:
            ConfigError: it is no length, or does not lie within the curve.
        """
        steps = self.steps_of(value, key)
        if kind is Kind.WHEN:
            return self._place(steps, f"{key}={value}") / self.steps
        if steps > self.steps:
            left = f"that the warmup leaves of {self.total_steps}" if self.warmup else "of the run"
            raise ConfigError(
                f"{key}={value} is {steps:g} steps, more than the {self.steps} {left}",
                "make it shorter, or epochs=… larger",
            )
        if isinstance(value, float):
            return min(1.0, value * (self.total_steps / self.steps))  # as written, to the bit, where nothing warms up
        share = steps / self.steps
        return share if share * self.steps >= steps else nextafter(share, 1)  # so that `int` gives the steps again

    def _place(self, steps: float, said: str) -> float:
        """Return a moment as steps of the curve."""
        if steps <= self.warmup:
            before = f"not after the warmup of {self.warmup} steps" if self.warmup else "where the run begins"
            raise ConfigError(f"{said} is {before}", "choose a later one, or less schedule.warmup")
        if steps >= self.total_steps:
            raise ConfigError(
                f"{said} is step {steps:g} of a run of {self.total_steps}",
                "choose an earlier one, or train longer: epochs=…",
            )
        return steps - self.warmup


_FORMS = "500 (steps), 2ep (epochs) or 5% (of the run)"


def shares(function: Callable[..., Any], config: Mapping[str, Any], course: Course) -> dict[str, Any]:
    """Return the arguments of a schedule that are lengths, as shares of the curve; its defaults too.

    Raises:
        ConfigError: one is no length, or does not lie within the curve.
    """
    found: dict[str, Any] = {}
    for name, (kind, several) in _lengths(function).items():
        value = config.get(name, inspect.signature(function).parameters[name].default)
        key = f"schedule.{name}"
        if several:
            values = value if isinstance(value, (list, tuple)) else [value]
            found[name] = [course.share(one, kind, key) for one in values]
        elif value is not inspect.Parameter.empty:
            found[name] = course.share(value, kind, key)
    return found


def _lengths(function: Callable[..., Any]) -> dict[str, tuple[Kind, bool]]:
    """Return which arguments are lengths: of which kind, and whether several of them."""
    try:
        hints = get_type_hints(function.__init__ if inspect.isclass(function) else function, include_extras=True)
    except (NameError, TypeError, AttributeError):
        return {}  # annotations that only a type checker can resolve
    found: dict[str, tuple[Kind, bool]] = {}
    for name, hint in hints.items():
        several = get_origin(hint) is tuple
        marks = get_args(get_args(hint)[0] if several else hint)[1:]
        if marks and isinstance(marks[0], Kind):
            found[name] = (marks[0], several)
    return found
