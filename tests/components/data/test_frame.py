"""Reading tables: what each column is taken for."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastrun.components.data.frame import as_words, read_table
from fastrun.errors import DataError

pl = pytest.importorskip("polars")

MISSING = ("NA", "?")


def frame(folder: Path, *lines: str, name: str = "it.csv"):
    (folder / name).write_text("\n".join(lines) + "\n")
    return read_table(folder / name, MISSING)


@pytest.mark.parametrize(
    ("values", "dtype", "found"),
    [
        (["1", "2.5", "NA"], pl.Float64, [1.0, 2.5, None]),
        (['"1"', '" 2"', ""], pl.Float64, [1.0, 2.0, None]),
        (["1e3", "-2", " ? "], pl.Float64, [1000.0, -2.0, None]),
        (["123456789012345678901234567890", "1", "2"], pl.Float64, [123456789012345678901234567890.0, 1.0, 2.0]),
        (["true", "False", "NA"], pl.Boolean, [True, False, None]),
        (["red", " red ", "?"], pl.String, ["red", "red", None]),
        (["1", "2", "two"], pl.String, ["1", "2", "two"]),
        (["None", "mild", '""'], pl.String, ["None", "mild", None]),
    ],
)
def test_columns_are_what_all_of_their_values_are(tmp_path, values, dtype, found):
    column = frame(tmp_path, "x,y", *(f"{value},1" for value in values))["x"]
    assert column.dtype == dtype
    assert column.to_list() == found


def test_dates_and_times_are_read(tmp_path):
    found = frame(
        tmp_path, "a,b,c", "2020-01-31,2020-01-31T10:00:00,10:00", "NA,NA,NA", "2021-01-31,2021-01-31T10:00:01,11:30"
    )
    assert all(column.dtype.is_temporal() for column in found)
    assert found.null_count().row(0) == (1, 1, 1)


def test_a_type_that_shows_in_the_last_row_only_is_seen(tmp_path):
    assert frame(tmp_path, "x,y", *["1,1"] * 3000, "1.5,word").dtypes == [pl.Float64, pl.String]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_separator_is_the_commonest_of_the_first_line(tmp_path, separator):
    found = frame(tmp_path, separator.join(["a", "b c", '"d, e"']), separator.join(["1", "x", "2.5"]))
    assert found.columns == ["a", "b c", "d, e"]
    assert found.row(0) == (1.0, "x", 2.5)


def test_names_lose_their_margins_and_are_numbered_where_there_are_none(tmp_path):
    assert frame(tmp_path, ", size , ", "0,1,2").columns == ["column 1", "size", "column 3"]


def test_the_mark_that_some_programs_begin_with_is_no_part_of_a_name(tmp_path):
    (tmp_path / "it.csv").write_bytes(b"\xef\xbb\xbfa,b\r\n1,2\r\n")
    assert read_table(tmp_path / "it.csv", MISSING).columns == ["a", "b"]


def test_a_line_that_ends_early_lacks_values(tmp_path):
    assert frame(tmp_path, "a,b,c", "1,2,3", "1")["c"].to_list() == [3.0, None]


def test_a_name_that_looks_like_a_pattern_is_that_file(tmp_path):
    assert frame(tmp_path, "a", "1", name="[it]*.csv").row(0) == (1.0,)


def test_parquets_own_types_are_brought_to_the_same(tmp_path):
    columns = {
        "f": pl.Series([1, None], dtype=pl.Float32),
        "u": pl.Series([1, 2], dtype=pl.UInt8),
        "d": pl.Series(["1.5", "2.5"]).cast(pl.Decimal(10, 2)),
        "c": pl.Series(["a", "NA"], dtype=pl.Categorical),
        "l": pl.Series([[1], [2]]),
        "n": pl.Series([None, None]),
    }
    pl.DataFrame(columns).write_parquet(tmp_path / "it.parquet")
    found = read_table(tmp_path / "it.parquet", MISSING)
    assert found.dtypes == [pl.Float64, pl.Float64, pl.Float64, pl.String, pl.List(pl.Int64), pl.Null]
    assert found["c"].to_list() == ["a", None]
    assert found["d"].to_list() == [1.5, 2.5]


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([1.0, 20.0, None], ["1", "20", None]),
        ([1.5, 2.0, float("nan")], ["1.5", "2.0", None]),
        (["a", None], ["a", None]),
        ([True, None], ["true", None]),
    ],
)
def test_a_column_as_words(values, words):
    assert as_words(pl.Series(values)).to_list() == words


def test_the_line_with_too_many_values_is_named_past_lines_within_values(tmp_path):
    with pytest.raises(DataError, match="line 4 has 3 values, the first 2"):
        frame(tmp_path, "a,b", '"one', 'line",2', "1,2,3")
