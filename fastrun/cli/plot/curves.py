"""What a picture of the schedules shows: each one's curve over a run that stands for any."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from fastrun.components.schedule import Curve, Cycling, Watching
from fastrun.components.schedule.build import build_curve
from fastrun.config import registry
from fastrun.errors import UsageError, nearest

STEPS_PER_EPOCH = 100
_POINTS = 1000  # of a curve, about; more than a picture has columns


@dataclass(frozen=True)
class PlottedCurve:
    """A schedule's curve, point by point."""

    name: str
    arguments: dict[str, Any]
    end: float  # of the run, in epochs
    epochs: list[float]  # where in the run
    factors: list[float]  # of optimizer.lr
    momenta: list[float]  # empty where the schedule leaves the momentum alone
    note: str  # what the picture supposes, where validations decide on the curve


def schedule_curves(overrides: list[str]) -> list[PlottedCurve]:
    """Return the curve of each schedule, arguments changed by ``schedule.KEY=VALUE`` in those that have the key.

    Args:
        overrides: also ``schedule=NAME,NAME`` for some schedules alone, ``epochs=N`` or ``steps=N``.

    Raises:
        UsageError: an override that shapes no schedule.
        ConfigError: a value that does not fit.
    """
    names = list(registry.options("schedule"))
    values: dict[str, str] = {}
    for override in overrides:
        key, equals, value = override.partition("=")
        if key == "schedule":
            names = _chosen(value.split(","))
        elif equals and (key in ("epochs", "steps") or key.startswith("schedule.")):
            values[key] = value
        else:
            hint = "`schedule.KEY=VALUE`, `schedule=NAME,NAME`, `epochs=N` and `steps=N` do"
            raise UsageError(f"{override} shapes no schedule", hint)
    _check(names, values)
    return [_draw(name, values) for name in names]


def _chosen(names: list[str]) -> list[str]:
    known = registry.options("schedule")
    for name in names:
        if name not in known:
            hint = nearest(name, known) or "`fastrun options schedule` lists them"
            raise UsageError(f"no option schedule={name}", hint)
    return names


def _check(names: list[str], keys: Iterable[str]) -> None:
    known = {key for name in names for key in _keys(name)}
    for key in keys:
        if key not in known:
            hint = nearest(key, known) or "`fastrun options schedule` lists the arguments"
            raise UsageError(f"no schedule drawn here has {key}", hint)


def _keys(name: str) -> set[str]:
    own = {
        f"schedule.{key}" for key in registry.options("schedule")[name].content() if key not in ("_target_", "defaults")
    }
    return own | {"epochs", "steps"}


def _draw(name: str, values: dict[str, str]) -> PlottedCurve:
    from fastrun.compose import compose

    known = _keys(name)
    settings = compose([f"schedule={name}", *(f"{key}={value}" for key, value in values.items() if key in known)])
    total = settings.steps or settings.epochs * STEPS_PER_EPOCH
    curve = build_curve(settings.schedule, steps_per_epoch=STEPS_PER_EPOCH, total_steps=total)
    at = range(0, total, max(1, total // _POINTS))
    arguments = {key: value for key, value in settings.schedule.items() if key != "_target_"}
    return PlottedCurve(
        name,
        arguments,
        total / STEPS_PER_EPOCH,
        [step / STEPS_PER_EPOCH for step in at],
        _factors(curve, at, total),
        [curve.momentum(step) for step in at] if isinstance(curve, Cycling) else [],
        f"as if validations got no better after epoch {_stall(total):g}" if isinstance(curve, Watching) else "",
    )


def _factors(curve: Curve, at: range, total: int) -> list[float]:
    """Return the factors; a curve that watches is shown a validation an epoch, better ones for a third of the run."""
    factors: list[float] = []
    seen = 0
    for step in at:
        while isinstance(curve, Watching) and seen < step // STEPS_PER_EPOCH:
            seen += 1
            curve.judge(min(seen, _stall(total)), higher_is_better=True)
        factors.append(curve(step))
    return factors


def _stall(total: int) -> float:
    """Return the epoch after which the validations of the example get no better."""
    return total / STEPS_PER_EPOCH // 3
