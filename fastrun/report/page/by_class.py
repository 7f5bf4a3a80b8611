"""How good the best checkpoint of a run is for each class of its validation data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from fastrun.errors import FastrunError
from fastrun.storage.checkpoint.select import select
from fastrun.storage.run_dir import RunDir

_MOST_IN_MATRIX = 20  # classes
_SPLIT = "val"


@dataclass(frozen=True)
class ClassResult:
    """The results of a class, each a share from 0 to 1; None where there is nothing to divide by.

    Attributes:
        name: the class.
        samples: how many have this label.
        precision: of those predicted to be of the class, the share that is.
        recall: of the samples of the class, the share that is found.
        f1: the harmonic mean of both.
        taken_for: the other class that most of its samples are taken for, and how many; None where there is none.
    """

    name: str
    samples: int
    precision: float | None
    recall: float | None
    f1: float | None
    taken_for: tuple[str, int] | None


@dataclass(frozen=True)
class ByClass:
    """The results by class, or why there are none.

    Attributes:
        rows: the classes, the worst first.
        names: the classes in the order of the matrix.
        matrix: the number of samples by label (rows) and prediction (columns); empty for many classes.
        note: why nothing was measured.
    """

    rows: list[ClassResult] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    matrix: list[list[int]] = field(default_factory=list)
    note: str = ""


def measure_by_class(directory: RunDir) -> ByClass | None:
    """Measure the best checkpoint of a run on its validation data.

    Returns:
        The results; with a note alone where they cannot be measured, as where the data is gone. None for a task
        without classes.
    """
    data = directory.read("data.json")
    if data.get("task") != "classification":
        return None
    if directory.status() == "running":
        return ByClass(note="not measured while the run is running")
    try:
        matrix = _count(directory)
    except FastrunError as error:
        return ByClass(note=f"not measured: {error.message}")
    return from_matrix(matrix, _names(data, len(matrix)))


def from_matrix(matrix: Sequence[Sequence[int]], names: Sequence[str]) -> ByClass:
    """Return the results by class, the worst first.

    Args:
        matrix: the number of samples by label (rows) and prediction (columns).
        names: the classes in the same order.
    """
    rows = [_result(matrix, names, index) for index in range(len(matrix))]
    rows.sort(key=lambda row: 2.0 if row.f1 is None else row.f1)
    is_small = len(matrix) <= _MOST_IN_MATRIX
    return ByClass(rows, list(names), [list(row) for row in matrix] if is_small else [])


def _count(directory: RunDir) -> list[list[int]]:
    from fastrun import compose
    from fastrun.components.data.early import check_early

    settings = compose.from_config(directory.config(), [], has_trackers=False)
    checkpoint = select(directory.checkpoints, "best", settings.target.metric)
    check_early(settings.data)  # before torch, which takes seconds
    from fastrun.training.trained.evaluate import count_predictions

    return count_predictions(settings, checkpoint, _SPLIT)


def _names(data: dict[str, Any], count: int) -> list[str]:
    classes = data.get("classes")
    if isinstance(classes, list) and len(classes) == count:
        return list(map(str, classes))
    return list(map(str, range(count)))


def _result(matrix: Sequence[Sequence[int]], names: Sequence[str], index: int) -> ClassResult:
    right, samples = matrix[index][index], sum(matrix[index])
    predicted = sum(row[index] for row in matrix)
    wrong = [(count, other) for other, count in enumerate(matrix[index]) if other != index and count]
    most = max(wrong, key=lambda pair: pair[0], default=None)
    return ClassResult(
        name=names[index],
        samples=samples,
        precision=right / predicted if predicted else None,
        recall=right / samples if samples else None,
        f1=2 * right / (predicted + samples) if predicted + samples else None,
        taken_for=None if most is None else (names[most[1]], most[0]),
    )
