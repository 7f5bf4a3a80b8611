"""Mappings that are alike, as the configs of many runs are, kept as what tells each from one of them."""

from __future__ import annotations

import hashlib
import json
from typing import Any


class Packing:
    """Packs mappings: the first one with some keys becomes a base, and others with these keys what differs from it.

    Attributes:
        bases: the bases by their number, which is a hash of their content.
        new: the numbers of those that are not kept yet.
    """

    def __init__(self, bases: dict[int, dict[str, Any]]) -> None:
        self.bases, self.new = bases, set[int]()
        self._by_keys = {tuple(base): number for number, base in bases.items()}

    def pack(self, value: Any) -> Any:
        """Return a mapping as a list of the number of its base and of what differs; other values as they are."""
        if not isinstance(value, dict):
            return value
        number = self._by_keys.get(tuple(value))
        if number is None:
            number = int.from_bytes(hashlib.sha256(json.dumps(value, default=str).encode()).digest()[:7])
            self._by_keys[tuple(value)], self.bases[number] = number, value
            self.new.add(number)
        base = self.bases[number]
        return {str(number): {key: one for key, one in value.items() if repr(one) != repr(base[key])}}

    def unpack(self, value: Any) -> Any:
        """Return what was packed.

        Raises:
            ValueError, TypeError, LookupError: it is damaged, or its base is not known.
        """
        if type(value) is not dict:
            return value
        ((number, differing),) = value.items()
        return self.bases[int(number)] | differing
