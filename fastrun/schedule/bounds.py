"""Bounds of a schedule's arguments."""

from __future__ import annotations

from fastrun.errors import ConfigError


def within_one(**arguments: float) -> None:
    """Check that arguments are factors of the rate, from nothing to all of it.

    Raises:
        ConfigError: the first that is not in [0, 1], named as its key.
    """
    for name, value in arguments.items():
        if not 0 <= value <= 1:
            raise ConfigError(f"schedule.{name}={value} is not in [0, 1]", "it is a factor of optimizer.lr")
