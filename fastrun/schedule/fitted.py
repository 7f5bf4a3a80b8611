"""A schedule fitted to a run: its lengths understood, the warmup before it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastrun import component
from fastrun.errors import ConfigError
from fastrun.schedule import Curve
from fastrun.schedule.length import Course, shares
from fastrun.schedule.warmup import after_warmup


def fitted(config: Mapping[str, Any], *, steps_per_epoch: int, total_steps: int) -> Curve:
    """Return the learning-rate factor of each step: warmup, then the schedule over what is left of the run.

    Args:
        config: the group ``schedule``: a ``_target_``, its arguments, and ``warmup``.
        steps_per_epoch: of the run; given to a schedule that names it, as is ``steps``, the length of the curve.
        total_steps: of the run.

    Raises:
        ConfigError: arguments do not fit.
    """
    arguments = dict(config)
    course = _course(arguments.pop("warmup", 0), steps_per_epoch, total_steps)
    if arguments.get("_target_") is None:
        raise ConfigError("schedule._target_ is not set", "use schedule=constant for none")
    lengths = shares(component.locate(arguments["_target_"], "schedule"), arguments, course)
    bound = component.bind("schedule", arguments | lengths)
    assert bound is not None
    offered = component.named(bound, steps=course.steps, steps_per_epoch=steps_per_epoch)
    component.missing("schedule", bound, *offered)
    return after_warmup(bound(**offered), course.warmup)


def _course(warmup: Any, steps_per_epoch: int, total_steps: int) -> Course:
    steps = round(Course(total_steps, steps_per_epoch).steps_of(warmup, "schedule.warmup"))
    if steps >= total_steps:
        raise ConfigError(f"schedule.warmup={warmup} leaves no steps of the {total_steps} of the run")
    return Course(total_steps, steps_per_epoch, steps)
