"""Times and numbers as a person reads them."""

from __future__ import annotations


def format_seconds(seconds: float) -> str:
    """Return a time with about three digits, from 0.04 s to 27.8 h."""
    if seconds >= 6000:
        return f"{seconds / 3600:.1f} h"
    if seconds >= 100:
        return f"{seconds / 60:.1f} min"
    return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.1f} s"
