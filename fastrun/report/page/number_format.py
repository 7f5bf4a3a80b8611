"""Numbers, seconds and shares as a page writes them."""

from __future__ import annotations

from math import isfinite
from typing import Any

NOTHING = "–"  # where there is no value
_MINUTE, _HOUR = 60, 3600


def number(value: Any, digits: int = 4) -> str:
    """Return a number with so many significant digits; a dash where there is none, and other values as they are.

    Args:
        value: the value, as JSON or YAML hold it.
        digits: the significant digits of a number that is not whole.
    """
    if value is None:
        return NOTHING
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    if not isfinite(value):
        return "not finite"
    if float(value).is_integer() and abs(value) < 1e15:
        return f"{value:,.0f}"
    if abs(value) >= 10**digits:
        return f"{value:,.0f}"
    return f"{value:.{digits}g}"


def seconds(value: float | None) -> str:
    """Return a duration in the unit that a person would say it in."""
    if value is None or not isfinite(value):
        return NOTHING
    if value < 0.001:
        return f"{1e3 * value:.2g} ms" if value else "0 s"
    if value < 100:
        return f"{value:.3g} s"
    if value < _HOUR:
        return f"{value // _MINUTE:.0f} min {value % _MINUTE:02.0f} s"
    return f"{value // _HOUR:.0f} h {value % _HOUR // _MINUTE:02.0f} min"


def percent(share: float | None) -> str:
    """Return a share as a percentage."""
    if share is None or not isfinite(share):
        return NOTHING
    return f"{100 * share:.3g} %"


def ratio(value: float | None) -> str:
    """Return how many times as long something takes."""
    if value is None or not isfinite(value):
        return NOTHING
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def p_value(value: float | None) -> str:
    """Return a probability of the chance alone, which is never written as 0."""
    if value is None or not isfinite(value):
        return NOTHING
    return "< 0.001" if value < 0.001 else f"{value:.2g}" if value < 0.1 else f"{value:.2f}"


def plural(count: int, noun: str) -> str:
    """Return a count and its noun: ``1 run``, ``3 runs``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def enumerate_words(words: list[str]) -> str:
    """Return words as a sentence lists them: ``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)
