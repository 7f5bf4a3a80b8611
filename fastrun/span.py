"""Lengths of training as people write them: ``500`` steps, ``2ep`` epochs, ``5%`` of the run, ``10min`` minutes."""

from __future__ import annotations

import re

from fastrun.errors import ConfigError

_FORM = re.compile(r"(\d+(?:\.\d+)?)\s*(st|ep|%|)")
_SECONDS = re.compile(r"(\d+(?:\.\d+)?)\s*(s|min|h)")
_TIME = re.compile(r"(\d+(?:\.\d+)?)\s*min")


def steps_in(span: str, *, steps_per_epoch: int, total_steps: int, key: str) -> int:
    """Return how many optimizer steps a span is.

    Raises:
        ConfigError: the text is not a span; ``key`` names it in the message.

    >>> steps_in("2ep", steps_per_epoch=10, total_steps=100, key="val_every")
    20
    """
    return round(exact_steps_in(span, steps_per_epoch=steps_per_epoch, total_steps=total_steps, key=key))


def exact_steps_in(span: str, *, steps_per_epoch: int, total_steps: int, key: str) -> float:
    """Return how many optimizer steps a span is, before rounding to whole ones.

    Raises:
        ConfigError: the text is not a span; ``key`` names it in the message.
    """
    match = _FORM.fullmatch(span.strip())
    if not match or (match[2] in ("", "st") and "." in match[1]):
        or_time = ", or 10min" if key == "checkpoint.every" else ""  # the one length that may be of time
        raise ConfigError(
            f"{key}={span} is not a length", f"write 500 (steps), 2ep (epochs) or 5% (of the run){or_time}"
        )
    amount = float(match[1])
    unit = {"": 1.0, "st": 1.0, "ep": float(steps_per_epoch), "%": total_steps / 100}[match[2]]
    return amount * unit


def minutes_in(span: str) -> float | None:
    """Return how many minutes a span is, or None where it is no time.

    >>> minutes_in("1.5min")
    1.5
    """
    match = _TIME.fullmatch(span.strip())
    return float(match[1]) if match else None


def seconds_in(span: str, key: str) -> float:
    """Return how many seconds a span of time is.

    Raises:
        ConfigError: the text is no time, or none at all; ``key`` names it in the message.

    >>> seconds_in("1.5min", "sweep.timeout")
    90.0
    """
    match = _SECONDS.fullmatch(span.strip())
    seconds = float(match[1]) * {"s": 1, "min": 60, "h": 3600}[match[2]] if match else 0.0
    if not seconds:
        raise ConfigError(f"{key}={span} is not a time", "write 90s, 30min or 2h")
    return seconds
