"""Building the learning-rate curve of a run: durations become shares of the run, and the warmup comes first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastrun.components.schedule import Curve
from fastrun.components.schedule.length import RunLength, shares
from fastrun.components.schedule.warmup import after_warmup
from fastrun.config import instantiate
from fastrun.errors import ConfigError


def build_curve(config: Mapping[str, Any], *, steps_per_epoch: int, total_steps: int) -> Curve:
    """Return the learning-rate curve of a run: the warmup, then the schedule over the rest of the run.

    Args:
        config: the group ``schedule``: a ``_target_``, its arguments, and ``warmup``.
        steps_per_epoch: the steps of an epoch; a schedule may have an argument of this name, too.
        total_steps: the steps of the run; ``steps`` of a schedule is what the warmup leaves of them.

    Raises:
        ConfigError: an argument is missing, unknown or out of range.
    """
    arguments = dict(config)
    run = _run_length(arguments.pop("warmup", 0), steps_per_epoch, total_steps)
    if arguments.get("_target_") is None:
        raise ConfigError("schedule._target_ is not set", "use schedule=constant for a constant learning rate")
    lengths = shares(instantiate.locate(arguments["_target_"], "schedule"), arguments, run)
    bound = instantiate.bind("schedule", arguments | lengths)
    assert bound is not None
    offered = instantiate.accepted(bound, steps=run.steps, steps_per_epoch=steps_per_epoch)
    instantiate.check_complete("schedule", bound, *offered)
    return after_warmup(bound(**offered), run.warmup)


def _run_length(warmup: Any, steps_per_epoch: int, total_steps: int) -> RunLength:
    steps = round(RunLength(total_steps, steps_per_epoch).steps_of(warmup, "schedule.warmup"))
    if steps >= total_steps:
        raise ConfigError(
            f"schedule.warmup={warmup} leaves no steps of the {total_steps} of the run", "use a shorter warmup"
        )
    return RunLength(total_steps, steps_per_epoch, steps)
