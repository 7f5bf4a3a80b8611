"""The points of the schedules' curves, over a run of as many epochs as the defaults say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fastrun.components.schedule import Curve, Cycling, Watching
from fastrun.components.schedule.build import build_curve
from fastrun.config import registry
from fastrun.errors import UsageError, nearest

STEPS_PER_EPOCH = 100
_POINTS = 1000  # about the points of a curve: more than a picture has columns
_RUN_KEYS = {"epochs", "steps"}
_UNPLOTTED = {"_target_", "defaults", "on_extend"}  # keys that do not change the curve of a run left alone


@dataclass(frozen=True)
class PlottedCurve:
    """The points of a schedule's curve.

    Attributes:
        name: the option of the group ``schedule``.
        arguments: the arguments of the schedule.
        end: the end of the run, in epochs.
        epochs: the position of each point, in epochs.
        factors: the factor of ``optimizer.lr`` at each point.
        momenta: the momentum at each point; empty if the schedule does not change it.
        note: the results of validations that the curve assumes, in words; empty if it depends on none.
    """

    name: str
    arguments: dict[str, Any]
    end: float
    epochs: list[float]
    factors: list[float]
    momenta: list[float]
    note: str


def schedule_curves(overrides: list[str]) -> list[PlottedCurve]:
    """Return the curves of the schedules.

    Args:
        overrides: ``schedule.KEY=VALUE`` changes the schedules that have the key; ``schedule=NAME,NAME`` chooses
            schedules; ``epochs=N`` and ``steps=N`` set the length of the run.

    Raises:
        UsageError: an override that no schedule depends on.
        ConfigError: a value that is not allowed.
    """
    names = list(registry.options("schedule"))
    values: dict[str, str] = {}
    for override in overrides:
        key, equals, value = override.partition("=")
        if key == "schedule":
            names = _check_names(value.split(","))
        elif equals and (key in _RUN_KEYS or key.startswith("schedule.")):
            values[key] = value
        else:
            hint = "`schedule.KEY=VALUE`, `schedule=NAME,NAME`, `epochs=N` and `steps=N` do"
            raise UsageError(f"{override} changes no schedule", hint)
    _check_keys(names, values)
    return [_plot(name, values) for name in names]


def _check_names(names: list[str]) -> list[str]:
    """Return the names of schedules, all of which exist.

    Raises:
        UsageError: one does not exist.
    """
    known = registry.options("schedule")
    for name in names:
        if name not in known:
            hint = nearest(name, known) or "`fastrun options schedule` lists them"
            raise UsageError(f"no option schedule={name}", hint)
    return names


def _check_keys(names: list[str], keys: Iterable[str]) -> None:
    """Check that each key belongs to at least one of the schedules.

    Raises:
        UsageError: one belongs to none.
    """
    known = {key for name in names for key in _keys_of(name)}
    for key in keys:
        if key not in known:
            hint = nearest(key, known) or "`fastrun options schedule` lists the arguments"
            raise UsageError(f"no plotted schedule has {key}", hint)


def _keys_of(name: str) -> set[str]:
    """Return the keys that change the curve of a schedule."""
    arguments = registry.options("schedule")[name].content().keys() - _UNPLOTTED
    return {f"schedule.{key}" for key in arguments} | _RUN_KEYS


def _plot(name: str, values: dict[str, str]) -> PlottedCurve:
    """Return the curve of a schedule, with the values of the keys that it has."""
    from fastrun.compose import compose

    keys = _keys_of(name)
    settings = compose([f"schedule={name}", *(f"{key}={value}" for key, value in values.items() if key in keys)])
    total = settings.steps or settings.epochs * STEPS_PER_EPOCH
    curve = build_curve(settings.schedule, steps_per_epoch=STEPS_PER_EPOCH, total_steps=total)
    steps = range(0, total, max(1, total // _POINTS))
    return PlottedCurve(
        name=name,
        arguments={key: value for key, value in settings.schedule.items() if key not in _UNPLOTTED},
        end=total / STEPS_PER_EPOCH,
        epochs=[step / STEPS_PER_EPOCH for step in steps],
        factors=_factors(curve, steps, total),
        momenta=[curve.momentum(step) for step in steps] if isinstance(curve, Cycling) else [],
        note=_note(curve, total),
    )


def _factors(curve: Curve, steps: range, total: int) -> list[float]:
    """Return the factor at each step.

    A curve that depends on validations gets one result per epoch, which improves during the first third of the run.
    """
    factors: list[float] = []
    validations = 0
    for step in steps:
        while isinstance(curve, Watching) and validations < step // STEPS_PER_EPOCH:
            validations += 1
            curve.judge(min(validations, _last_improvement(total)), higher_is_better=True)
        factors.append(curve(step))
    return factors


def _note(curve: Curve, total: int) -> str:
    if not isinstance(curve, Watching):
        return ""
    return f"as if validations did not improve after epoch {_last_improvement(total):g}"


def _last_improvement(total: int) -> float:
    """Return the epoch after which the validations of the example do not improve."""
    return total / STEPS_PER_EPOCH // 3
