"""Schedules of the user's own: a function of the step, or one that returns such a function."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from math import isfinite
from typing import Any

from fastrun.components.schedule import Curve
from fastrun.config import instantiate
from fastrun.errors import ConfigError, FastrunError

_FORM = "a schedule is a function f(step, total_steps, …) that returns a factor of the learning rate: see docs/own.md"


def own_curve(bound: instantiate.Bound, target: str, steps: int, steps_per_epoch: int) -> Curve:
    """Return the curve of a schedule of the user's own, tried at its first and its last step.

    Args:
        bound: the target with its arguments. It has an argument ``step`` and is called at each step, or returns a
            curve. Where it has arguments ``total_steps`` or ``steps`` (the length of the curve) and
            ``steps_per_epoch``, it is given them.
        target: its name, for messages.
        steps: the length of the curve, in optimizer steps.
        steps_per_epoch: the steps of an epoch.

    Raises:
        ConfigError: its signature is another one, or it raises or returns no finite number.
    """
    offered = instantiate.accepted(bound, total_steps=steps, steps=steps, steps_per_epoch=steps_per_epoch)
    is_direct = "step" in inspect.signature(bound.func).parameters and not inspect.isclass(bound.func)
    given = {*offered, "step"} if is_direct else {*offered}
    _check_given(bound, target, given)
    curve = _FactorOfStep(bound, offered) if is_direct else _called(bound, target, bound, **offered)
    if not callable(curve):
        raise ConfigError(f"schedule._target_={target} returned a {type(curve).__name__}", _FORM)
    for step in (0, max(0, steps - 1)):
        factor = _called(bound, target, curve, step)
        if not isinstance(factor, (int, float)) or not isfinite(factor) or factor < 0:
            raise ConfigError(f"schedule._target_={target} returns {factor!r} for step {step}", _FORM)
    return curve


class _FactorOfStep:
    """A function of the step and other arguments, which are fixed."""

    def __init__(self, function: instantiate.Bound, arguments: dict[str, Any]) -> None:
        self.function, self.arguments = function, arguments

    def __call__(self, step: int) -> float:
        factor: float = self.function(step=step, **self.arguments)
        return factor


def _check_given(bound: instantiate.Bound, target: str, given: set[str]) -> None:
    """Check that a target needs nothing that it is not given."""
    known = given | bound.keywords.keys()
    for name, parameter in inspect.signature(bound.func).parameters.items():
        is_variadic = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        if parameter.default is parameter.empty and not is_variadic and name not in known:
            raise ConfigError(
                f"schedule._target_={target} needs {name}, which is not set", f"{_FORM}; +schedule.{name}=…"
            )


def _called(bound: instantiate.Bound, target: str, function: Callable[..., Any], *values: Any, **named: Any) -> Any:
    try:
        return function(*values, **named)
    except FastrunError:
        raise
    except Exception as error:
        message, hint = instantiate.describe_error(bound.func, error)
        raise ConfigError(message, f"{hint}; {_FORM}" if hint else _FORM) from error
