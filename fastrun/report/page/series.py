"""The curves of a run: what metrics.jsonl holds of each name, over steps and over seconds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastrun.storage.metrics_file import parse_lines

Floats = NDArray[np.float64]
_NOT_MEASURED = {"step", "epoch", "train_seconds"}
_VALIDATION = b'"val/'
_WINDOWS = 60  # of a smoothed curve


@dataclass(frozen=True)
class Series:
    """The values of one name in the order of their steps.

    Attributes:
        name: such as ``train/loss``.
        steps: optimizer steps ``[n]``.
        seconds: the training clock at each, in seconds ``[n]``.
        values: the values ``[n]``; NaN where the file has none, as for a loss that is not finite.
    """

    name: str
    steps: Floats
    seconds: Floats
    values: Floats

    @property
    def finite(self) -> Floats:
        """Return the values that are finite."""
        return self.values[np.isfinite(self.values)]

    def along(self, over: str) -> Floats:
        """Return the horizontal values: ``steps`` or ``seconds``."""
        return self.steps if over == "steps" else self.seconds

    def smoothed(self) -> Series:
        """Return the series as means over windows around each value, which grow with its length."""
        half = len(self.values) // _WINDOWS // 2
        if not half:
            return self
        is_finite = np.isfinite(self.values)
        sums = np.cumsum(np.concatenate([[0.0], np.where(is_finite, self.values, 0.0)]))
        counts = np.cumsum(np.concatenate([[0], is_finite]))
        at = np.arange(len(self.values))
        first, last = np.maximum(at - half, 0), np.minimum(at + half + 1, len(at))
        count = counts[last] - counts[first]
        means = np.where(count > 0, (sums[last] - sums[first]) / np.maximum(count, 1), np.nan)
        return Series(self.name, self.steps, self.seconds, means)


def read_series(path: Path, names: Iterable[str] | None = None, most: int | None = None) -> dict[str, Series]:
    """Return the series of a metrics.jsonl, which may still be written.

    Args:
        path: the file; nothing is returned where it is missing.
        names: the names to read; None for all.
        most: about of how many steps to read what a step measures: of every second one where there are up to twice as
            many, and so on. Validations are always read. None for all steps.
    """
    try:
        text = path.read_bytes()
    except OSError:
        return {}
    lines = parse_lines(text if most is None else _sample(text, most))
    found = set().union(*lines) - _NOT_MEASURED if lines else set()
    wanted = sorted(found if names is None else found & set(names))
    series = {name: _series(name, [line for line in lines if name in line]) for name in wanted}
    return {name: one for name, one in series.items() if one is not None}


def _sample(text: bytes, most: int) -> bytes:
    """Return the lines of validations and about so many others, evenly spaced; finding them is faster than parsing."""
    size = len(text) // most
    if not size or text.count(b"\n") <= most:
        return text
    begins = {text.find(b"\n", at) + 1 for at in range(0, len(text), size)} | {0}
    at = text.find(_VALIDATION)
    while at >= 0:
        begins.add(text.rfind(b"\n", 0, at) + 1)
        end = text.find(b"\n", at)
        at = text.find(_VALIDATION, end) if end >= 0 else -1
    return b"".join(text[begin : text.find(b"\n", begin) + 1] for begin in sorted(begins))


def _series(name: str, lines: list[dict[str, Any]]) -> Series | None:
    """Return the values of a name; None where they are no numbers."""
    try:
        values = np.array([line[name] for line in lines], np.float64)
        seconds = np.array([line.get("train_seconds") for line in lines], np.float64)
    except (TypeError, ValueError):
        return None
    if values.ndim != 1:
        return None
    steps = np.array([line["step"] for line in lines], np.float64)
    order = np.argsort(steps, kind="stable")
    return Series(name, steps[order], seconds[order], values[order])
