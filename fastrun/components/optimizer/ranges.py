"""Checks of the range of an optimizer's arguments."""

from __future__ import annotations


def check_at_least(least: float, **values: float) -> None:
    """Check that values are at least ``least``.

    Raises:
        ValueError: a value is below it, or NaN; the error names it.
    """
    for name, value in values.items():
        if not value >= least:
            raise ValueError(f"{name}={value} is below {least}")


def check_below_one(**values: float) -> None:
    """Check that values are in [0, 1), as a momentum must be.

    Raises:
        ValueError: a value is not; the error names it.
    """
    for name, value in values.items():
        if not 0 <= value < 1:
            raise ValueError(f"{name}={value} is not in [0, 1)")
