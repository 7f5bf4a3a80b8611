"""Results by class: precision, recall and F1 of each, the confusion matrix, and the pairs that are confused most."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_MOST_IN_MATRIX = 1000  # classes: with more, a matrix is a file of many megabytes, nearly all of it zeros
_MOST_PAIRS = 100

Labels = NDArray[np.int64]


@dataclass(frozen=True)
class ClassResult:
    """The results of a class, each a share from 0 to 1; None where there is nothing to divide by.

    Attributes:
        name: the class.
        support: how many samples have this label.
        precision: of those predicted to be of the class, the share that is.
        recall: of the samples of the class, the share that is found.
        f1: the harmonic mean of both.
        taken_for: the other class that most of its samples are taken for; None where there is none.
        taken: how many are.
    """

    name: str
    support: int
    precision: float | None
    recall: float | None
    f1: float | None
    taken_for: str | None = None
    taken: int = 0


@dataclass(frozen=True)
class Confused:
    """Samples of a class that are taken for another one.

    Attributes:
        label: the class.
        prediction: what they are taken for.
        count: how many are.
        support: how many samples the class has.
    """

    label: str
    prediction: str
    count: int
    support: int


@dataclass(frozen=True)
class ByClass:
    """The results by class.

    Attributes:
        rows: the classes, the weakest first: those with the lowest F1.
        names: the classes in the order of the matrix.
        matrix: the number of samples by label (rows) and prediction (columns); empty for more than 1,000 classes.
        confused: the pairs of classes that are confused most, the most frequent first.
    """

    rows: list[ClassResult]
    names: list[str]
    matrix: list[list[int]]
    confused: list[Confused]

    def plain(self) -> dict[str, Any]:
        """Return the results as JSON has them; the names of the classes are the axes of the matrix."""
        return {
            "class_names": self.names,
            "classes": [vars(row) for row in self.rows],
            "confusion_matrix": self.matrix or None,
            "confused": [vars(pair) for pair in self.confused],
        }


def results_by_class(labels: Labels, predictions: Labels, names: Sequence[str]) -> ByClass:
    """Return the results by class.

    Args:
        labels: the label of each sample, ``[samples]``.
        predictions: the class that is predicted for it, ``[samples]``.
        names: the names of the classes.
    """
    count = len(names)
    pairs, counts = np.unique(labels * count + predictions, return_counts=True)
    true, found = np.divmod(pairs, count)
    wrong = _wrong(true, found, counts)
    most = {label: (names[other], times) for label, other, times in reversed(wrong)}  # its most frequent one is last
    support, predicted, right = (
        np.bincount(of, weights, count).astype(int).tolist()
        for of, weights in ((true, counts), (found, counts), (true, counts * (true == found)))
    )
    rows = [
        ClassResult(
            name=name,
            support=support[at],
            precision=_share(right[at], predicted[at]),
            recall=_share(right[at], support[at]),
            f1=_share(2 * right[at], predicted[at] + support[at]),
            taken_for=most[at][0] if at in most else None,
            taken=most[at][1] if at in most else 0,
        )
        for at, name in enumerate(names)
    ]
    rows.sort(key=lambda row: 2.0 if row.f1 is None else row.f1)
    confused = [
        Confused(names[label], names[other], times, support[label]) for label, other, times in wrong[:_MOST_PAIRS]
    ]
    return ByClass(rows, list(names), _matrix(true, found, counts, count), confused)


def _wrong(true: Labels, found: Labels, counts: Labels) -> list[tuple[int, int, int]]:
    """Return each label with another class that it is taken for, and how often: the most frequent first."""
    pairs = zip(true.tolist(), found.tolist(), counts.tolist(), strict=True)
    return sorted((pair for pair in pairs if pair[0] != pair[1]), key=lambda pair: -pair[2])


def _matrix(true: Labels, found: Labels, counts: Labels, count: int) -> list[list[int]]:
    if count > _MOST_IN_MATRIX:
        return []
    matrix = np.zeros((count, count), np.int64)
    matrix[true, found] = counts
    rows: list[list[int]] = matrix.tolist()
    return rows


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None
