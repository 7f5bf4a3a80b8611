"""Durations among a schedule's arguments: 500 steps, 2ep, 5% or 0.05 of the run become shares of the curve.

A schedule annotates such an argument as :data:`Duration` (how long) or as :data:`Moment` (when, counted from the first
step of the run, which includes the warmup), alone or in a tuple. It then gets shares of its own ``steps``.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import Enum
from math import nextafter
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from fastrun.config.duration import check_length, to_exact_steps
from fastrun.errors import ConfigError


class Kind(Enum):
    """The two kinds of arguments that this module converts."""

    DURATION = "duration"
    MOMENT = "moment"


Duration = Annotated[float, Kind.DURATION]
Moment = Annotated[float, Kind.MOMENT]


@dataclass(frozen=True)
class RunLength:
    """The length of the run that a schedule is built for.

    Attributes:
        total_steps: the steps of the run.
        steps_per_epoch: the steps of an epoch.
        warmup: the steps of the warmup, which are a part of ``total_steps``.
        unit: what a step is: ``epochs`` before the data is loaded, when the number of steps in an epoch is not known.
    """

    total_steps: int
    steps_per_epoch: int
    warmup: int = 0
    unit: str = "steps"

    @property
    def steps(self) -> int:
        """Return the length of the curve, which begins after the warmup."""
        return self.total_steps - self.warmup

    def steps_of(self, value: Any, key: str) -> float:
        """Return a duration in optimizer steps, not rounded.

        Args:
            value: a float, which is a share of the run, or a number of steps, or a text such as ``2ep``.
            key: the key of the value, for error messages.

        Raises:
            ConfigError: the value is not a duration.
        """
        if isinstance(value, float):
            if not 0 <= value <= 1:
                raise ConfigError(f"{key}={value} is not a share of the run", f"write 0 to 1, or {_FORMS}")
            return value * self.total_steps
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            raise ConfigError(f"{key}={value} is not a duration", f"write {_FORMS}")
        return to_exact_steps(str(value), steps_per_epoch=self.steps_per_epoch, total_steps=self.total_steps, key=key)

    def knows(self, value: Any, key: str) -> bool:
        """Say whether a duration can be converted: steps are not known in epochs, nor epochs in steps before the data.

        Args:
            value: as in :meth:`steps_of`.
            key: the key of the value, for error messages.

        Raises:
            ConfigError: the text is not a duration.
        """
        if isinstance(value, bool) or not isinstance(value, (int, str)):
            return True
        unit = check_length(str(value), f"{key}={value}", zero=True, minutes=False)[1]
        return unit == "%" or (bool(self.steps_per_epoch) if unit == "ep" else self.unit == "steps")

    def with_warmup(self, value: Any) -> RunLength:
        """Return the length of the same run with a warmup.

        Args:
            value: the duration of the warmup, as in :meth:`steps_of`.

        Raises:
            ConfigError: the value is not a duration, or as long as the run.
        """
        exact = self.steps_of(value, "schedule.warmup")
        warmup = round(exact) if self.unit == "steps" else int(exact)  # what is certain, before steps are known
        if max(exact, warmup) >= self.total_steps:
            total = f"{self.total_steps}{'' if self.unit == 'steps' else f' {self.unit}'}"
            raise ConfigError(
                f"schedule.warmup={value} leaves no steps of the {total} of the run", "use a shorter warmup"
            )
        return replace(self, warmup=warmup)

    def share(self, value: Any, kind: Kind, key: str) -> float:
        """Return a duration or a moment as a share of the curve.

        Args:
            value: as in :meth:`steps_of`.
            kind: the kind of the argument.
            key: the key of the value, for error messages.

        Raises:
            ConfigError: the value is not a duration, or not within the curve.
        """
        steps = self.steps_of(value, key)
        if kind is Kind.MOMENT:
            return self._from_warmup(steps, f"{key}={value}") / self.steps
        if steps > self.steps:
            left = f"that the warmup leaves of {self.total_steps}" if self.warmup else "of the run"
            raise ConfigError(
                f"{key}={value} is {steps:g} {self.unit}, more than the {self.steps} {left}",
                "make it shorter, or the run longer: epochs=…",
            )
        if isinstance(value, float):
            return min(1.0, value * (self.total_steps / self.steps))  # without a warmup, exactly the value
        share = steps / self.steps
        return share if share * self.steps >= steps else nextafter(share, 1)  # so that int(share * steps) is exact

    def _from_warmup(self, steps: float, setting: str) -> float:
        """Return a moment, in steps of the run, as steps of the curve."""
        if steps <= self.warmup:
            before = f"not after the warmup of {self.warmup} {self.unit}" if self.warmup else "the start of the run"
            raise ConfigError(f"{setting} is {before}", "choose a later moment, or a shorter schedule.warmup")
        if steps >= self.total_steps:
            raise ConfigError(
                f"{setting} is {self.unit[:-1]} {steps:g} of a run of {self.total_steps}",
                "choose an earlier moment, or train longer: epochs=…",
            )
        return steps - self.warmup


_FORMS = "500 (steps), 2ep (epochs) or 5% (of the run)"


def shares(function: Callable[..., Any], config: Mapping[str, Any], run: RunLength) -> dict[str, Any]:
    """Return the arguments of a schedule that are durations or moments, as shares of the curve.

    Args:
        function: the schedule.
        config: its arguments as the user wrote them; the schedule's defaults are used for the others.
        run: the length of the run.

    Raises:
        ConfigError: a value is not a duration, or not within the curve.
    """
    arguments: dict[str, Any] = {}
    for name, kind, is_tuple, values in lengths(function, config):
        converted = [run.share(value, kind, f"schedule.{name}") for value in values]
        arguments[name] = converted if is_tuple else converted[0]
    return arguments


def lengths(function: Callable[..., Any], config: Mapping[str, Any]) -> Iterator[tuple[str, Kind, bool, list[Any]]]:
    """Yield the arguments of a schedule that are durations or moments: name, kind, whether it is a tuple, and values.

    Args:
        function: the schedule.
        config: its arguments as the user wrote them; the schedule's defaults are used for the others.
    """
    for name, (kind, is_tuple) in _annotated(function).items():
        value = config.get(name, inspect.signature(function).parameters[name].default)
        if is_tuple:
            yield name, kind, True, list(value) if isinstance(value, (list, tuple)) else [value]
        elif value is not inspect.Parameter.empty:
            yield name, kind, False, [value]


def _annotated(function: Callable[..., Any]) -> dict[str, tuple[Kind, bool]]:
    """Return the kind of each argument that is a duration or a moment, and whether it is a tuple of them."""
    try:
        hints = get_type_hints(function.__init__ if inspect.isclass(function) else function, include_extras=True)
    except (NameError, TypeError, AttributeError):
        return {}  # annotations that only a type checker can resolve
    kinds: dict[str, tuple[Kind, bool]] = {}
    for name, hint in hints.items():
        is_tuple = get_origin(hint) is tuple
        marks = get_args(get_args(hint)[0] if is_tuple else hint)[1:]
        if marks and isinstance(marks[0], Kind):
            kinds[name] = (marks[0], is_tuple)
    return kinds
