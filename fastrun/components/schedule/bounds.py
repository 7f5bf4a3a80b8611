"""The range of a schedule's arguments."""

from __future__ import annotations

from fastrun.errors import ConfigError


def check_factors(**arguments: float) -> None:
    """Check that arguments are factors of the learning rate from 0 to 1.

    Args:
        arguments: the values, by the name that each has in the group ``schedule``.

    Raises:
        ConfigError: a value is not in [0, 1]; the error names its key.
    """
    for name, value in arguments.items():
        if not 0 <= value <= 1:
            raise ConfigError(f"schedule.{name}={value} is not in [0, 1]", "use a factor of optimizer.lr, such as 0.1")
