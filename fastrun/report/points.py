"""The points of a curve, of which a long run has more than any picture shows."""

from __future__ import annotations

from math import isfinite
from typing import Any

_MOST = 2000  # more than a terminal or a page has columns


class Points:
    """Points in the order of a run. When they become too many, every second one is dropped, and so are later ones.

    Attributes:
        xs: the horizontal values.
        ys: the vertical values, all finite.
    """

    def __init__(self, most: int = _MOST) -> None:
        self.xs: list[float] = []
        self.ys: list[float] = []
        self._most, self._every, self._count = most, 1, 0

    def add(self, x: Any, y: Any) -> None:
        """Add a point; one that a damaged file has no finite numbers for is left out."""
        if not (_is_number(x) and _is_number(y)):
            return
        if self._count % self._every == 0:
            self.xs.append(x)
            self.ys.append(y)
        self._count += 1
        if len(self.xs) > self._most:
            self._every *= 2
            del self.xs[1::2], self.ys[1::2]


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and isfinite(value)
