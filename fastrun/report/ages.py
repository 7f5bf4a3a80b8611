"""Ages of runs, as they are typed and shown: ``30d``, ``2h``."""

from __future__ import annotations

import re

from fastrun.errors import UsageError

_UNITS = {"w": 604800.0, "d": 86400.0, "h": 3600.0, "min": 60.0, "s": 1.0}
_AGE = re.compile(r"(\d+(?:\.\d+)?)\s*(w|d|h|min|s)")


def to_age(text: str, setting: str) -> float:
    """Return the seconds in an age such as ``30d``.

    Args:
        text: a number with the unit ``w``, ``d``, ``h``, ``min`` or ``s``.
        setting: what was typed, for messages.

    Raises:
        UsageError: the text is no age.
    """
    match = _AGE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{setting}: {text} is not an age", "write 30d, 12h, 2w or 45min")
    return float(match[1]) * _UNITS[match[2]]


def describe_age(seconds: float) -> str:
    """Return an age in its largest unit, such as ``3 d``."""
    for unit in ("d", "h", "min"):
        if seconds >= _UNITS[unit]:
            return f"{seconds / _UNITS[unit]:.0f} {unit}"
    return f"{max(seconds, 0.0):.0f} s"
