"""Values of files that may be damaged, or edited by anybody: of the type that is expected, or None."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def number(value: Any) -> float | None:
    """Return a finite number, or None if the value is none."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return float(value) if is_number and math.isfinite(value) else None


def whole(value: Any) -> int | None:
    """Return a whole number, or None if the value is none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def part(content: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the mapping under a key; an empty one if there is none."""
    inner = content.get(key)
    return inner if isinstance(inner, dict) else {}
