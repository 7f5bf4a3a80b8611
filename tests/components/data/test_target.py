"""What a target column is taken for."""

from __future__ import annotations

import pytest
import torch
from torch.utils.data import TensorDataset

from fastrun.components.data.splits import check_splits
from fastrun.components.data.table import table
from fastrun.components.data.target import read_target
from fastrun.errors import ConfigError, DataError

pl = pytest.importorskip("polars")

NAN, INF = float("nan"), float("inf")


def column(values: list, times: int = 1):
    return pl.Series("y", values * times)


@pytest.mark.parametrize(
    ("values", "times", "classes"),
    [
        (["red", "blue"], 5, ["blue", "red"]),
        ([True, False], 5, ["False", "True"]),
        ([0.0, 1.0], 5, ["0", "1"]),
        ([3.0, 1.0, 2.0, 10.0], 20, ["1", "2", "3", "10"]),
        ([-1.0, 1.0], 5, ["-1", "1"]),
        ([1234567.0, 1234568.0], 5, ["1234567", "1234568"]),
        ([float(n) for n in range(20)], 20, [str(n) for n in range(20)]),
    ],
)
def test_words_booleans_and_few_whole_numbers_are_classes_in_their_order(values, times, classes):
    found = read_target(column(values, times), "auto")
    assert found.classes == classes
    assert found.y.dtype == torch.int64
    names = [classes[label] for label in found.y.tolist()]
    assert names == [str(int(value)) if isinstance(value, float) else str(value) for value in values * times]


@pytest.mark.parametrize(
    ("values", "times"),
    [
        ([0.5, 1.5], 50),
        ([float(n) for n in range(21)], 20),  # counts: too many for classes
        ([1.0, 2.0, 3.0], 3),  # a third of all rows differ
    ],
)
def test_other_numbers_are_numbers_in_their_own_unit(values, times):
    found = read_target(column(values, times), "auto")
    assert found.classes is None
    assert found.y.dtype == torch.float32
    assert found.y.tolist() == values * times


def test_floats_of_zero_and_one_are_classes_in_a_table_and_numbers_in_a_set_of_ones_own(tmp_path):
    (tmp_path / "it.csv").write_text("x,y\n" + "".join(f"{row}.5,{row % 2}.0\n" for row in range(40)))
    assert check_splits(table(str(tmp_path / "it.csv"), "y")).task.name == "classification"
    assert check_splits(table(str(tmp_path / "it.csv"), "y", task="regression")).task.name == "regression"
    samples = TensorDataset(torch.rand(8, 2), torch.arange(8) % 2)
    assert check_splits({"train": samples, "val": samples}).task.name == "classification"
    samples = TensorDataset(torch.rand(8, 2), torch.arange(8) % 2.0)
    assert check_splits({"train": samples, "val": samples}).task.name == "regression"


def test_the_task_may_be_asked_for():
    assert read_target(column([0.0, 1.0], 5), "regression").y.tolist() == [0.0, 1.0] * 5
    assert read_target(column([True, False], 5), "regression").y.tolist() == [1.0, 0.0] * 5
    assert read_target(column([0.5, 2.5, 10.0], 5), "classification").classes == ["0.5", "2.5", "10"]


@pytest.mark.parametrize(
    ("values", "has"),
    [
        (["a", None, "b", "a", "b"], [True, False, True, True, True]),
        ([0.5, None, NAN, INF, 2.5], [True, False, False, False, True]),
    ],
)
def test_rows_without_a_target_are_told(values, has):
    found = read_target(column(values), "auto")
    assert found.is_known.tolist() == has
    assert len(found.y) == sum(has)


@pytest.mark.parametrize(
    ("values", "task", "kind", "message"),
    [
        ([1.5, 1.5], "auto", DataError, "is 1.5 in every row"),
        (["a", "a", None], "auto", DataError, "is a in every row"),
        ([None, NAN], "auto", DataError, "is missing in every row"),
        ([1.0, 1.0 + 1e-12], "auto", DataError, "does not fit float32"),
        ([1.5, 1e39], "auto", DataError, "does not fit float32"),
        (["a", "b"], "regression", ConfigError, "holds words such as 'a'"),
        (["a", "b", "c"], "auto", ConfigError, "3 different values in 3 rows"),
        ([[1], [2]], "auto", ConfigError, "holds List"),
    ],
)
def test_a_target_of_no_use_is_refused(values, task, kind, message):
    with pytest.raises(kind, match=message) as caught:
        read_target(column(values), task)
    assert caught.value.hint
