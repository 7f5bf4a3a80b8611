"""A pair of factors that a study explored after its verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_MEANS = {"shared": "each does part of the other's work", "synergy": "each needs the other"}


def describe_pair(pair: Mapping[str, Any]) -> str:
    """Return what a pair of factors shows, in words, from its line in verdicts.json."""
    value, low, high = (pair.get(key) for key in ("interaction", "interaction_low", "interaction_high"))
    if value is None:
        return f"{pair['factor']}: in no block all four arms reached the target"
    ends = "no interval" if low is None or high is None else f"{low:.2f} to {high:.2f}"
    word = str(pair["verdict"])
    meaning = f", {_MEANS[word]}" if word in _MEANS else ""
    return (
        f"{pair['factor']}: {word}{meaning}; without both, training takes {value:.2f} ({ends}) times what the ratios "
        "of the two multiply to"
    )
