"""Columns as inputs, value by value."""

from __future__ import annotations

import datetime

import numpy as np
import pytest

from fastrun.components.data.columns import fit_column, is_row_number

pl = pytest.importorskip("polars")

NAN, INF = float("nan"), float("inf")


def encoded(values: list, train: int, max_categories: int = 64, dtype=None):
    """Encode a column whose first ``train`` rows are those of train."""
    return fit_column(pl.Series("x", values, dtype), np.arange(train), max_categories)


def inputs(found) -> dict[str, list[float]]:
    return {name: values.tolist() for name, values in found.inputs.items()}


def test_numbers_get_the_mean_and_the_deviation_of_train():
    found = encoded([1.0, 3.0, 5.0, 9.0], 2)
    assert found.encoding.kind == "number"
    assert found.encoding.scale == (2.0, 1.0)
    assert inputs(found) == {"x": [-1.0, 1.0, 3.0, 7.0]}


def test_missing_numbers_are_the_mean_with_an_input_that_says_so():
    found = encoded([1.0, None, 3.0, NAN, INF, -INF, 5.0], 3)
    assert inputs(found) == {"x": [-1, 0, 1, 0, 0, 0, 3], "x missing": [0, 1, 0, 1, 1, 1, 0]}
    assert found.missing == 4


def test_numbers_that_only_others_lack_have_no_such_input():
    assert inputs(encoded([1.0, 3.0, None], 2)) == {"x": [-1, 1, 0]}


def test_one_value_or_none_tells_by_being_there():
    assert inputs(encoded([7.0, None, 7.0, 8.0], 3)) == {"x missing": [0, 1, 0, 0]}


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ([7.0, 7.0, 8.0], "the same in every row of train"),
        ([True, True, False], "the same in every row of train"),
        (["a", "a", "b"], "the same in every row of train"),
        ([None, NAN, 1.0], "missing in every row of train"),
        ([None, None, "a"], "missing in every row of train"),
        (["a", "b", "b"], "words that all differ"),
        ([[1], [2], [3]], "List(Int64) cannot be an input"),
        ([None, None, None], "Null cannot be an input"),
    ],
)
def test_a_column_of_no_use_says_why(values, why):
    found = encoded(values, 2)
    assert not found.inputs
    assert found.encoding.kind == why


def test_booleans_are_0_and_1():
    found = encoded([True, False, None, False], 4)
    assert found.encoding.kind == "boolean"
    assert inputs(found) == {"x": pytest.approx([1, 0, 1 / 3, 0]), "x missing": [0, 0, 1, 0]}


def test_words_have_an_input_each_and_unknown_ones_none():
    found = encoded(["b", "a", "b", None, "c"], 3)
    assert found.encoding.kind == "category"
    assert inputs(found) == {"x=a": [0, 1, 0, 0, 0], "x=b": [1, 0, 1, 0, 0]}


def test_no_word_is_a_category_of_its_own_where_train_has_it():
    assert inputs(encoded(["a", None, "a", None], 3)) == {"x=a": [1, 0, 1, 0], "x missing": [0, 1, 0, 1]}


def test_the_commonest_words_have_inputs_and_the_others_share_one():
    found = encoded(["c", "b", "c", "a", "b", "d", None, "new"], 7, max_categories=2)
    assert inputs(found) == {
        "x=b": [0, 1, 0, 0, 1, 0, 0, 0],
        "x=c": [1, 0, 1, 0, 0, 0, 0, 0],
        "x other": [0, 0, 0, 1, 0, 1, 0, 1],
        "x missing": [0, 0, 0, 0, 0, 0, 1, 0],
    }


def test_few_words_among_many_numbers_count_as_missing():
    values = [str(place * 1.5) for place in range(99)] + ["unknown"]
    found = encoded(values, 100)
    assert found.encoding.kind == "number"
    assert found.note == "1 words among its numbers, such as 'unknown'"
    assert inputs(found)["x missing"] == [0] * 99 + [1]


def test_words_of_digits_alone_stay_words():
    assert encoded([str(place % 30) for place in range(90)], 90, max_categories=4).encoding.kind == "category"


def test_dates_keep_their_order_and_their_seconds():
    start = datetime.datetime(2024, 2, 29, 12)
    found = encoded([start + datetime.timedelta(seconds=second) for second in (0, 1, 2, 5)], 3)
    assert found.encoding.kind == "date"
    assert np.diff(inputs(found)["x"]) == pytest.approx([1 / np.sqrt(2 / 3)] * 2 + [3 / np.sqrt(2 / 3)], rel=1e-5)


@pytest.mark.parametrize(
    "values", [[-1e308, 1e308, 1e308], [0.0, 5e-324, 1e308], [0.0, 1.0, 1e300], [1e16, 1e16 + 2, 0.0]]
)
def test_no_number_is_too_large_or_too_close_to_others(values):
    found = encoded(values, 2)
    for column in found.inputs.values():
        assert np.isfinite(column).all()
        assert set(column[:2].tolist()) == {-1.0, 1.0}


@pytest.mark.parametrize(
    ("values", "does"),
    [
        (range(10), True),
        (range(1, 11), True),
        (range(9), False),
        (range(2, 12), False),
        ([*range(9), 10], False),
        ([*range(9), None], False),
        (["a"] * 10, False),
    ],
)
def test_the_numbers_of_the_rows_are_known(values, does):
    column = pl.Series("x", list(values))
    assert is_row_number(column.cast(pl.Float64) if column.dtype.is_numeric() else column) is does
