"""Durations of training as people write them: ``500`` steps, ``2ep`` epochs, ``5%`` of the run, ``10min`` minutes."""

from __future__ import annotations

import re

from fastrun.errors import ConfigError

_STEPS = re.compile(r"(\d+(?:\.\d+)?)\s*(st|ep|%|)")
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h)")
_MINUTES = re.compile(r"(\d+(?:\.\d+)?)\s*(min)")
_DIGITS = 18  # a longer number is no count of steps
_SECONDS_PER_UNIT = {"s": 1, "min": 60, "h": 3600}


def to_steps(duration: str, *, steps_per_epoch: int, total_steps: int, key: str) -> int:
    """Return the number of optimizer steps in a duration, rounded to a whole step.

    Args:
        duration: ``500``, ``500st``, ``2ep`` or ``5%``.
        steps_per_epoch: optimizer steps per epoch.
        total_steps: optimizer steps of the whole run.
        key: the dotted key that holds the duration, for messages.

    Raises:
        ConfigError: the text is not a duration.

    >>> to_steps("2ep", steps_per_epoch=10, total_steps=100, key="val_every")
    20
    """
    return round(to_exact_steps(duration, steps_per_epoch=steps_per_epoch, total_steps=total_steps, key=key))


def to_exact_steps(duration: str, *, steps_per_epoch: int, total_steps: int, key: str) -> float:
    """Return the number of optimizer steps in a duration, before rounding to a whole step.

    Args:
        duration: ``500``, ``500st``, ``2ep`` or ``5%``.
        steps_per_epoch: optimizer steps per epoch.
        total_steps: optimizer steps of the whole run.
        key: the dotted key that holds the duration, for messages.

    Raises:
        ConfigError: the text is not a duration.

    >>> to_exact_steps("2.5%", steps_per_epoch=10, total_steps=100, key="ema.start")
    2.5
    """
    count, unit = check_length(duration, f"{key}={duration}", zero=True, minutes=False)
    steps_per_unit = {"": 1.0, "st": 1.0, "ep": float(steps_per_epoch), "%": total_steps / 100}
    return count * steps_per_unit[unit]


def check_length(duration: str, setting: str, *, zero: bool, minutes: bool) -> tuple[float, str]:
    """Check that a text is a duration.

    Args:
        duration: ``500``, ``500st``, ``2ep`` or ``5%``.
        setting: the key and what was given for it, for messages.
        zero: whether the duration may be zero.
        minutes: whether it may also be a time, ``10min``.

    Returns:
        The number and its unit, such as ``(2.0, "ep")``.

    Raises:
        ConfigError: it is not.
    """
    match = _STEPS.fullmatch(duration.strip()) or (minutes and _MINUTES.fullmatch(duration.strip()))
    if not match or (match[2] in ("", "st") and "." in match[1]) or len(match[1]) > _DIGITS:
        or_time = ", or 10min" if minutes else ""
        raise ConfigError(
            f"{setting} is not a duration", f"write 500 (steps), 2ep (epochs) or 5% (of the run){or_time}"
        )
    if not zero and not float(match[1]):
        raise ConfigError(f"{setting} is less than a step", "write a longer duration, such as 1ep")
    return float(match[1]), match[2]


def to_minutes(duration: str) -> float | None:
    """Return the number of minutes in a duration, or None if it is not written in minutes.

    >>> to_minutes("1.5min")
    1.5
    """
    match = _MINUTES.fullmatch(duration.strip())
    return float(match[1]) if match else None


def to_seconds(duration: str, key: str) -> float:
    """Return the number of seconds in a time such as ``90s``, ``30min`` or ``2h``.

    Args:
        duration: the text.
        key: the dotted key that holds it, for messages.

    Raises:
        ConfigError: the text is not a time, or the time is zero.

    >>> to_seconds("1.5min", "sweep.timeout")
    90.0
    """
    match = _SECONDS.fullmatch(duration.strip())
    seconds = float(match[1]) * _SECONDS_PER_UNIT[match[2]] if match else 0.0
    if not seconds:
        raise ConfigError(f"{key}={duration} is not a time", "write 90s, 30min or 2h")
    return seconds
