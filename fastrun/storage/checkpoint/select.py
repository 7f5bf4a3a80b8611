"""Selecting a checkpoint of a run: the newest whole one, or the best."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from fastrun.config.monitor import default_monitor, directions_of
from fastrun.errors import CheckpointError
from fastrun.storage.checkpoint.files import SavedCheckpoint, is_in_parts, list_checkpoints, was_pruned


def newest_good(folder: Path) -> tuple[SavedCheckpoint, list[SavedCheckpoint]]:
    """Return the newest whole checkpoint, and the newer ones that are damaged.

    Raises:
        CheckpointError: there is none.
    """
    broken: list[SavedCheckpoint] = []
    for saved in list_checkpoints(folder):
        if saved.is_good():
            return saved, broken
        broken.append(saved)
    if broken:
        raise CheckpointError(f"no checkpoint in {folder} is whole", "train again: fastrun train …")
    why = "s: `fastrun prune` removed them" if was_pruned(folder) else " to go on from"
    raise CheckpointError(f"{folder.parent} has no checkpoint{why}", "train again: fastrun train …")


def best(
    checkpoints: Iterable[SavedCheckpoint], metric: str | None, directions: Mapping[str, bool] = MappingProxyType({})
) -> SavedCheckpoint | None:
    """Return the best of some checkpoints, the earliest of several that are as good.

    Args:
        checkpoints: those to choose from.
        metric: the name of the metric that decides; None for the one that the task is judged by.
        directions: whether larger values are better of the metrics that say so.

    Returns:
        The best, or None where none of them has a value of the metric.
    """
    checkpoints = list(checkpoints)
    monitor = default_monitor(metric, {name for saved in checkpoints for name in saved.metrics}, directions)
    measured = [saved for saved in checkpoints if monitor.name in saved.metrics]
    sign = 1 if monitor.higher_is_better else -1
    return max(measured, key=lambda saved: (sign * saved.metrics[monitor.name], -saved.step), default=None)


def select(folder: Path, which: str, metric: str | None, metrics: Mapping[str, Any] = MappingProxyType({})) -> Path:
    """Return the file of a whole checkpoint.

    Args:
        folder: the checkpoints of a run.
        which: ``best`` (the newest where nothing was measured), ``last``, or the path of a checkpoint.
        metric: the name of the metric that decides on the best; None for the one that the task is judged by.
        metrics: the metrics that the run's config adds.

    Raises:
        CheckpointError: there is no such checkpoint.
    """
    if which == "best":
        whole = [saved for saved in list_checkpoints(folder) if saved.metrics and saved.is_good()]
        best_saved = best(whole, metric, directions_of(metrics))
        return (best_saved or newest_good(folder)[0]).path
    if which == "last":
        return newest_good(folder)[0].path
    path = Path(which)
    if not path.is_file() and not is_in_parts(path):
        reason = "is a folder without a checkpoint" if path.is_dir() else "does not exist"
        raise CheckpointError(f"{path} {reason}", "--ckpt takes best, last or a checkpoint's path")
    return path
