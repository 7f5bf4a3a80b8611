"""Orders of runs: by age, result, time to target, name or seconds. What one looks for stands at the end of a list."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf
from typing import Any

from fastrun.errors import UsageError, nearest
from fastrun.report.record import RunRecord

_KEYS: dict[str, Callable[[RunRecord], Any]] = {
    "age": lambda record: record.started,
    "best": lambda record: record.rank,
    "target": lambda record: -inf if record.target_seconds is None else -record.target_seconds,
    "name": lambda record: (record.name, record.started),
    "seconds": lambda record: -inf if record.train_seconds is None else record.train_seconds,
    "memory": lambda record: -inf if record.peak_memory is None else record.peak_memory,
}
KEYS = tuple(_KEYS)


def ordered(records: Sequence[RunRecord], by: str) -> list[RunRecord]:
    """Return runs in an order.

    Args:
        records: the runs.
        by: ``age`` (the newest last), ``best`` (the best last), ``target`` (the fastest last), ``name``, ``seconds``
            (of training, the longest last) or ``memory`` (the most last); with ``-`` before it, the other way round.

    Raises:
        UsageError: there is no such order.
    """
    key = by.removeprefix("-")
    if key not in _KEYS:
        raise UsageError(f"--sort {by}: no such order", nearest(key, KEYS) or f"one of {', '.join(KEYS)}, or -KEY")
    return sorted(records, key=_KEYS[key], reverse=by.startswith("-"))
