"""The residuals of a regression: by how much predictions exceed the targets, in the unit of the targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_QUANTILES = 0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0
_BINS = 12

Numbers = NDArray[np.float64]


@dataclass(frozen=True)
class Residuals:
    """The residuals of one of the numbers that are predicted.

    Attributes:
        name: the number.
        mean: their mean: above 0, predictions are too high.
        std: their standard deviation.
        quantiles: the residual below which a share of them is, by the share; 0 is the lowest and 1 the highest.
        edges: the bounds of the bins of a histogram; empty where a residual is not finite.
        counts: the residuals in each bin.
    """

    name: str
    mean: float
    std: float
    quantiles: dict[str, float]
    edges: list[float]
    counts: list[int]

    def plain(self) -> dict[str, Any]:
        """Return the residuals as JSON has them."""
        histogram = {"edges": self.edges, "counts": self.counts}
        numbers = {"name": self.name, "mean": self.mean, "std": self.std, "quantiles": self.quantiles}
        return numbers | {"histogram": histogram}


def describe_residuals(predictions: Numbers, targets: Numbers, names: Sequence[str]) -> list[Residuals]:
    """Return the residuals of each number.

    Args:
        predictions: what is predicted, ``[samples, numbers]``.
        targets: the targets, ``[samples, numbers]``.
        names: the name of each number.
    """
    return [_describe(name, column) for name, column in zip(names, (predictions - targets).T, strict=True)]


def _describe(name: str, residuals: Numbers) -> Residuals:
    counts, edges = _histogram(residuals) if np.isfinite(residuals).all() else ([], [])
    with np.errstate(invalid="ignore", over="ignore"):
        mean, std = float(residuals.mean()), float(residuals.std())
        values = np.quantile(residuals, _QUANTILES).tolist()
    quantiles = {f"{share:g}": value for share, value in zip(_QUANTILES, values, strict=True)}
    return Residuals(name, mean, std, quantiles, edges, counts)


def _histogram(residuals: Numbers) -> tuple[list[int], list[float]]:
    """Return the residuals in each bin, and the bounds of the bins."""
    low, high = float(residuals.min()), float(residuals.max())
    if low == high:
        return [len(residuals)], [low, high]
    counts, edges = np.histogram(residuals, np.linspace(low, high, _BINS + 1))
    return counts.tolist(), edges.tolist()
