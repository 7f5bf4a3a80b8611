"""Building the learning-rate curve of a run: durations become shares of the run, and the warmup comes first.

``on_extend`` decides on the rate of a run that is resumed with another length: ``continue`` follows the curve of the
new length at once, ``rewarm`` goes from the last rate to it along a line, from the step in ``extended`` on.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastrun.components.schedule import Curve
from fastrun.components.schedule.length import RunLength, lengths, shares
from fastrun.components.schedule.own import own_curve
from fastrun.components.schedule.rewarm import Extension, rewarmed
from fastrun.components.schedule.warmup import after_warmup
from fastrun.config import constraints, instantiate, registry
from fastrun.errors import ConfigError

ON_EXTEND = "continue", "rewarm"
"""What may happen to the learning rate where a run is resumed with another length; the default first."""


def build_curve(config: Mapping[str, Any], *, steps_per_epoch: int, total_steps: int) -> Curve:
    """Return the learning-rate curve of a run: the warmup, then the schedule over the rest of the run.

    Args:
        config: the group ``schedule``: a ``_target_``, its arguments, ``warmup``, ``on_extend``, and
            ``extended``, which fastrun writes where a run was extended with ``on_extend=rewarm``.
        steps_per_epoch: the steps of an epoch; a schedule may have an argument of this name, too.
        total_steps: the steps of the run; ``steps`` of a schedule is what the warmup leaves of them.

    Raises:
        ConfigError: an argument is missing, unknown or out of range.
    """
    arguments = dict(config)
    run = RunLength(total_steps, steps_per_epoch).with_warmup(arguments.pop("warmup", 0))
    constraints.check_word("schedule.on_extend", arguments.pop("on_extend", ON_EXTEND[0]), ON_EXTEND)
    extended = arguments.pop("extended", None)
    if arguments.get("_target_") is None:
        raise ConfigError("schedule._target_ is not set", "use schedule=constant for a constant learning rate")
    converted = shares(instantiate.locate(arguments["_target_"], "schedule"), arguments, run)
    bound = instantiate.bind("schedule", arguments | converted)
    assert bound is not None
    if registry.target_of("schedule", str(arguments["_target_"])) is None:
        own = own_curve(bound, str(arguments["_target_"]), run.steps, steps_per_epoch)
        curve = after_warmup(own, run.warmup)
    else:
        offered = instantiate.accepted(bound, steps=run.steps, steps_per_epoch=steps_per_epoch)
        instantiate.check_complete("schedule", bound, *offered)
        curve = after_warmup(bound(**offered), run.warmup)
    return curve if extended is None else rewarmed(curve, Extension.read(extended), total_steps)


def check_early(config: Mapping[str, Any], *, epochs: int, total_steps: int | None) -> None:
    """Check what can be said of a schedule before the data is loaded, when the steps of an epoch are not known.

    Args:
        config: the group ``schedule``.
        epochs: the epochs of the run.
        total_steps: the steps of the run if the config says; it then goes before ``epochs``.

    Raises:
        ConfigError: an argument is unknown or out of range, or longer than the run whatever the data is.
    """
    arguments = dict(config)
    run = RunLength(total_steps, 0) if total_steps else RunLength(epochs, 1, unit="epochs")
    warmup, target = arguments.pop("warmup", 0), arguments.get("_target_")
    for name in ("on_extend", "extended"):  # what is no argument of a schedule
        arguments.pop(name, None)
    if run.knows(warmup, "schedule.warmup"):
        run = run.with_warmup(warmup)
    if registry.target_of("schedule", str(target)) is None:
        return  # the user's own, which must be imported first
    converted = []
    for name, kind, _, values in lengths(instantiate.locate(str(target), "schedule"), arguments):
        converted.append(name)
        for value in values:
            if run.knows(value, f"schedule.{name}"):
                run.share(value, kind, f"schedule.{name}")
    instantiate.check_early("schedule", arguments, *converted)
