"""Results by class: those of scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from fastrun.training.trained.by_class import Confused, results_by_class


@pytest.mark.parametrize("classes", [2, 7, 1200])
def test_shares_and_counts_are_those_of_scikit_learn(classes: int) -> None:
    random = np.random.default_rng(classes)
    labels = random.integers(classes, size=500)
    predictions = np.where(random.random(500) < 0.6, labels, random.integers(classes, size=500))
    found = results_by_class(labels, predictions, [f"c{at}" for at in range(classes)])
    expected = precision_recall_fscore_support(labels, predictions, labels=range(classes), zero_division=np.nan)
    rows = {row.name: (row.precision, row.recall, row.f1, row.support) for row in found.rows}
    assert len(rows) == classes
    for at, values in enumerate(zip(*expected, strict=True)):
        assert rows[f"c{at}"] == pytest.approx([None if np.isnan(value) else value for value in values])
    matrix = confusion_matrix(labels, predictions, labels=range(classes))
    assert found.matrix == (matrix.tolist() if classes <= 1000 else [])
    np.fill_diagonal(matrix, 0)
    assert found.confused[0].count == matrix.max()
    assert sum(pair.count for pair in found.confused) == matrix.sum() or len(found.confused) == 100
    f1 = [row.f1 for row in found.rows if row.f1 is not None]
    assert f1 == sorted(f1)


def test_a_class_that_is_nowhere_comes_last_and_has_no_shares() -> None:
    found = results_by_class(np.array([0] * 10 + [1] * 10), np.array([0] * 8 + [1] * 12), ["cat", "dog", "eel"])
    cat, dog, eel = found.rows
    assert (cat.name, cat.recall, cat.precision, cat.taken_for, cat.taken) == ("cat", 0.8, 1.0, "dog", 2)
    assert (dog.recall, dog.precision, dog.taken_for, dog.taken) == (1.0, pytest.approx(10 / 12), None, 0)
    assert (eel.support, eel.recall, eel.precision, eel.f1) == (0, None, None, None)
    assert found.confused == [Confused("cat", "dog", 2, 10)]


def test_classes_of_one_name_are_told_apart() -> None:
    found = results_by_class(np.array([0, 1, 1]), np.array([1, 0, 1]), ["same", "same"])
    assert sorted(row.support for row in found.rows) == [1, 2]
    assert [row.taken for row in found.rows] == [1, 1]
