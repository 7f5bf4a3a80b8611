"""The metric that decides which validation of a run is the best. Does not import torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from types import MappingProxyType
from typing import Any

from fastrun.errors import ConfigError

NAMES = {  # the metrics of a validation of each task beside the loss; the first is the task's default monitor
    "classification": ("acc", "f1", "top5"),
    "language": ("perplexity", "acc"),
    "regression": ("r2", "rmse", "mae"),
    "multilabel": ("map", "f1", "exact"),
    "segmentation": ("miou", "acc"),
    "image_to_image": ("psnr", "rmse", "mae"),
}
KNOWN = tuple(dict.fromkeys(f"val/{name}" for name in ("loss", *chain(*NAMES.values()))))  # of any task
_LOWER = {  # words in the names of metrics whose smaller values are better
    *("loss", "perplexity", "ppl", "nll", "kl", "bpc", "bpd", "mse", "rmse", "mae", "mape", "error", "err"),
    *("wer", "cer", "distance", "divergence", "fid", "eer"),
}

_SHARES = {"acc": 1, "f1": 1, "top5": 1, "map": 1, "exact": 1, "miou": 1}
_BEST = {**_SHARES, "r2": 1, "perplexity": 1, "rmse": 0, "mae": 0}  # no network is better


@dataclass(frozen=True)
class Monitor:
    """A metric that decides on the best checkpoint, early stopping and the target.

    Attributes:
        name: the metric, such as ``val/acc``.
        higher_is_better: whether larger values are better.
    """

    name: str
    higher_is_better: bool

    @classmethod
    def of(cls, name: str, directions: Mapping[str, bool] = MappingProxyType({})) -> Monitor:
        """Return the monitor for a metric such as ``val/acc``; a word in its name says if smaller values are better.

        Args:
            name: the metric.
            directions: whether larger values are better of the metrics that say so: see :func:`directions_of`.
        """
        is_higher = _LOWER.isdisjoint(re.split(r"[^a-z]+", name.lower()))
        return cls(name, directions.get(name, is_higher))

    @classmethod
    def of_record(cls, record: Mapping[str, Any]) -> Monitor:
        """Return the monitor of what a file says of a metric.

        Args:
            record: its name as ``metric``; where the name does not tell, also ``higher_is_better``.
        """
        metric = str(record["metric"])
        stated = record.get("higher_is_better")
        return cls.of(metric, {} if stated is None else {metric: bool(stated)})

    def is_better(self, value: float, than: float, by: float = 0.0) -> bool:
        """Say whether a value improves on another one.

        Args:
            value: the new value.
            than: the value to compare with.
            by: the improvement that is not enough yet, in the metric's unit.
        """
        return value > than + by if self.higher_is_better else value < than - by

    def reaches(self, value: float, target: float) -> bool:
        """Say whether a value is as good as a target or better."""
        return value >= target if self.higher_is_better else value <= target

    def check_target(self, value: float) -> None:
        """Check that a target can be reached.

        Args:
            value: the value to reach.

        Raises:
            ConfigError: no network can be that good.
        """
        best = _BEST.get(self.name.removeprefix("val/"))
        if best is None or not self.reaches(value, best) or value == best:
            return
        bound = "at most" if self.higher_is_better else "at least"
        is_percentage = self.name.removeprefix("val/") in _SHARES and 1 < value <= 100
        hint = f"it is a share, not a percentage: target.value={value / 100:g}" if is_percentage else None
        message = f"target.value={value:g} cannot be reached: {self.name} is {bound} {best}"
        raise ConfigError(message, hint or "choose another target.value, or another target.metric")


def directions_of(metrics: Mapping[str, Any]) -> dict[str, bool]:
    """Return whether larger values are better of those of the config's metrics that say so, such as ``val/mine``.

    Args:
        metrics: the key ``metrics`` of a config: components by name, with their ``higher_is_better``.
    """
    parts = [(name, part) for name, part in metrics.items() if isinstance(part, Mapping)]
    found = {f"val/{name}": part.get("higher_is_better") for name, part in parts}
    return {name: direction for name, direction in found.items() if isinstance(direction, bool)}


def default_monitor(
    name: str | None, measured: Iterable[str], directions: Mapping[str, bool] = MappingProxyType({})
) -> Monitor:
    """Return the monitor of a run.

    Args:
        name: the metric that the user chose; None chooses the first metric of the task.
        measured: the names of the metrics that a validation measured, which tell the task.
        directions: whether larger values are better of the metrics that say so.
    """
    if name:
        return Monitor.of(name, directions)
    available = {name for name in measured if name.startswith("val/")} or {"val/loss"}
    usual = [f"val/{names[0]}" for names in reversed(NAMES.values())]  # accuracy last: texts have one as well
    return Monitor.of(next((name for name in (*usual, "val/loss") if name in available), min(available)))
