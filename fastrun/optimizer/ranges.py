"""Ranges of an optimizer's values."""

from __future__ import annotations


def at_least(least: float, **values: float) -> None:
    """Raise a ValueError that names the first value below ``least``."""
    for name, value in values.items():
        if not value >= least:
            raise ValueError(f"{name}={value} is below {least}")


def below_one(**values: float) -> None:
    """Raise a ValueError that names the first value that is not in [0, 1), as momenta are."""
    for name, value in values.items():
        if not 0 <= value < 1:
            raise ValueError(f"{name}={value} is not in [0, 1)")
