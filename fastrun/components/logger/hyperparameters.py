"""The config of a run in the form that trackers log: names and plain values, without secrets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from fastrun.config.settings import Settings
from fastrun.redaction import is_secret, redact

_OMITTED = "choices", "logger", "outputs"  # choices are logged by group; the other two do not change the training


def hyperparameters(settings: Settings) -> dict[str, Any]:
    """Return the option of each group and every value that is set.

    Returns:
        Plain values by name, such as ``{"optimizer": "adamw", "optimizer.lr": 0.001}``.
    """
    options = {group: str(option) for group, option in settings.choices.items() if option is not None}
    return options | dict(_flatten(asdict(settings), ""))


def _flatten(node: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in node.items():
        if is_secret(str(key)) or (not prefix and key in _OMITTED):
            continue
        if isinstance(value, Mapping):
            yield from _flatten(value, f"{prefix}{key}.")
        elif value is not None:
            yield f"{prefix}{key}", value if isinstance(value, (bool, int, float)) else str(redact(value))
