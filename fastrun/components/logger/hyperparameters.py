"""A run's config as a tracker wants it: names and plain values, none of them secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from fastrun.config.settings import Settings
from fastrun.redaction import is_secret, redact

_LEFT_OUT = "choices", "logger", "outputs"  # the first comes under the groups' names; the others are no heuristics


def hyperparameters(settings: Settings) -> dict[str, Any]:
    """Return each group's option, and every value that is set: ``{"optimizer": "adamw", "optimizer.lr": 0.001}``."""
    values = dict(_flat(asdict(settings), ""))
    return {group: str(option) for group, option in settings.choices.items() if option is not None} | values


def _flat(node: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if is_secret(str(key)) or (not prefix and key in _LEFT_OUT):
            continue
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        elif value is not None:
            yield f"{prefix}{key}", value if isinstance(value, (bool, int, float)) else str(redact(value))
