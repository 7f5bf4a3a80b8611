"""Tables end to end: what becomes of files, which rows go where, and every way in which a table can be wrong."""

from __future__ import annotations

import datetime
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_wine

import fastrun
from fastrun.cli.main import main
from fastrun.components.data.splits import check_splits
from fastrun.components.data.table import table

pl = pytest.importorskip("polars")

ROWS = 60


@pytest.fixture
def logged(caplog) -> Iterator[Callable[[], str]]:
    """What fastrun's log says, whatever a run in the same process has set up there."""
    log = logging.getLogger("fastrun")
    log.addHandler(caplog.handler)
    with caplog.at_level(logging.INFO, "fastrun"):
        yield lambda: caplog.text
    log.removeHandler(caplog.handler)


def written(folder: Path, content: str | bytes, name: str = "it.csv") -> str:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


def lines(*entries: str) -> str:
    return "\n".join(entries) + "\n"


def numbered(target: str = "y", rows: int = ROWS) -> str:
    """A table of two classes that its column ``x`` tells apart."""
    return lines(f"x,{target}", *(f"{place % 2 + place / 100:.2f},{'ab'[place % 2]}" for place in range(rows)))


DATES = st.datetimes(datetime.datetime(1900, 1, 1), datetime.datetime(2100, 1, 1))
VALUES = {
    "number": (pl.Float64, st.one_of(st.none(), st.floats(), st.integers(-(10**15), 10**15).map(float))),
    "whole": (pl.Int64, st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1))),
    "boolean": (pl.Boolean, st.one_of(st.none(), st.booleans())),
    "date": (pl.Datetime("us"), st.one_of(st.none(), DATES)),
    "letter": (pl.String, st.sampled_from([None, "a", "b", "c"])),
    "word": (pl.String, st.one_of(st.none(), st.text(max_size=4), st.sampled_from(["a", "b", "NA", "1.5", " a "]))),
}


@st.composite
def frames(draw, kinds: list[str], rows: int = 24):
    """Tables of random columns, one that is always of use, and a target."""
    columns = {"use": pl.Series(np.random.default_rng(0).normal(size=rows))}
    for place, kind in enumerate(draw(st.lists(st.sampled_from(kinds), max_size=5))):
        dtype, values = VALUES[kind]
        column = draw(st.lists(values, min_size=rows, max_size=rows))
        columns[f"{kind} {place}"] = pl.Series(column, dtype=dtype, strict=False)
    columns["y"] = draw(st.sampled_from([pl.Series(["p", "q", None] * 8), pl.Series(np.arange(rows) ** 1.5)]))
    return pl.DataFrame(columns)


@settings(deadline=None, max_examples=80)
@given(frame=frames(list(VALUES)), limit=st.integers(1, 5), seed=st.integers(0, 5))
def test_whatever_a_table_holds_becomes_finite_inputs_of_one_shape(tmp_path_factory, frame, limit, seed):
    path = tmp_path_factory.mktemp("table") / "it.parquet"
    frame.write_parquet(path)
    sets = table(str(path), "y", max_categories=limit, split_seed=seed)
    parts = [sets[name].tensors for name in ("train", "val", "test")]
    about = sets["about"]
    assert sum(len(y) for _, y in parts) == frame["y"].count() == len(frame) - about["rows_without_target"]
    assert check_splits(sets).task.name == ("classification" if sets["classes"] else "regression")
    assert about["columns"].keys() | about["dropped"].keys() == set(frame.columns) - {"y"}
    for x, y in parts:
        assert x.shape == (len(y), len(about["inputs"]))
        assert x.dtype == torch.float32
        assert y.dtype == (torch.int64 if sets["classes"] else torch.float32)
        assert x.isfinite().all()
    train = dict(zip(about["inputs"], parts[0][0].T, strict=True))
    for name, values in train.items():
        assert values.min() < values.max(), "of no use"
        if name in about["scale"] and about["columns"].get(name) in ("number", "date"):
            assert abs(values.mean()) < 1e-3
            assert values.std(correction=0) == pytest.approx(1, abs=1e-3) or name in about["missing"]
        else:
            assert values.min() == 0
            assert values.max() == 1


@settings(deadline=None, max_examples=40)
@given(frame=frames(["number", "whole", "boolean", "date", "letter"]), seed=st.integers(0, 5))
def test_what_other_rows_hold_does_not_reach_train(tmp_path_factory, frame, seed):
    path = str(tmp_path_factory.mktemp("table") / "it.parquet")
    frame = frame.with_columns(row=pl.Series(np.arange(len(frame)) * 7.0))  # says which row a sample is
    sets = write_and_read(frame, path, seed)
    mean, std = sets["about"]["scale"]["row"]
    scaled = sets["train"].tensors[0][:, sets["about"]["inputs"].index("row")]
    own = {round((value * std + mean) / 7) for value in scaled.tolist()}
    assert len(own) == len(sets["train"])
    is_own = pl.Series([row in own for row in range(len(frame))])
    other = [name for name in frame.columns if name not in ("y", "row")]
    changed = frame.with_columns(
        pl.when(is_own).then(name).otherwise(pl.col(name).reverse()).alias(name) for name in other
    )
    again = write_and_read(changed, path, seed)
    assert torch.equal(again["train"].tensors[0], sets["train"].tensors[0])
    assert torch.equal(again["train"].tensors[1], sets["train"].tensors[1])
    assert again["about"]["scale"] == sets["about"]["scale"]


def write_and_read(frame, path: str, seed: int):
    frame.write_parquet(path)
    return table(path, "y", split_seed=seed)


def test_wine_is_three_classes_of_thirteen_numbers(tmp_path):
    sets = check_splits(table(wine(tmp_path), "kind"))
    assert sets.describe()["samples"] == {"train": 107, "val": 36, "test": 35}
    assert (sets.in_shape, sets.classes) == ((13,), ["barolo", "class_1", "grignolino"])
    shares = [np.bincount(part.tensors[1]) / len(part) for part in (sets.train, sets.val, sets.test)]
    assert np.abs(np.diff(shares, axis=0)).max() < 0.03


def wine(folder: Path) -> str:
    found = load_wine()
    names = np.array(["barolo", "grignolino", "class_1"])
    frame = pl.DataFrame(found.data, schema=found.feature_names).with_columns(kind=names[found.target])
    frame.write_csv(folder / "wine.csv")
    return str(folder / "wine.csv")


def test_the_same_rows_as_csv_tsv_and_parquet_are_the_same_samples(tmp_path):
    frame = pl.read_csv(wine(tmp_path))
    frame.write_csv(tmp_path / "wine.tsv", separator="\t")
    frame.write_parquet(tmp_path / "wine.parquet")
    first, *others = (table(str(tmp_path / f"wine.{kind}"), "kind") for kind in ("csv", "tsv", "parquet"))
    for other in others:
        assert other["about"] == first["about"]
        assert torch.equal(other["val"].tensors[0], first["val"].tensors[0])


def test_the_seed_alone_decides_on_the_split(tmp_path):
    root = written(tmp_path, numbered())
    values = [table(root, "y", split_seed=seed)["val"].tensors[0].flatten().tolist() for seed in (0, 0, 1)]
    assert values[0] == values[1] != values[2]


def test_the_rows_of_a_sorted_table_of_numbers_are_split_at_random(tmp_path):
    root = written(tmp_path, lines("x,y", *(f"{row % 7},{row}.5" for row in range(100))))
    sets = table(root, "y")
    assert {name: len(sets[name]) for name in ("train", "val", "test")} == {"train": 60, "val": 20, "test": 20}
    assert 20 < sets["val"].tensors[1].mean() < 80
    assert sorted(y for name in ("train", "val", "test") for y in sets[name].tensors[1].tolist())[:2] == [0.5, 1.5]


def test_without_a_test_fraction_there_is_no_test_set(tmp_path):
    assert "test" not in table(written(tmp_path, numbered()), "y", test_fraction=0.0)


def test_what_is_left_out_or_missing_is_said(tmp_path, logged):
    entries = (
        f"{row},{row % 2},u{row},7,{'' if row < 5 else row * row},{'' if row == 9 else 'ab'[row % 2]}"
        for row in range(60)
    )
    root = written(tmp_path, lines("id,x,name,same,price,y", *entries))
    about = table(root, "y", drop=["x"])["about"]
    assert about["rows_without_target"] == 1
    assert about["columns"] == {"price": "number"}
    assert about["inputs"] == ["price", "price missing"]
    assert about["missing"] == {"price": 5}
    assert about["dropped"] == {
        "id": "the number of the row",
        "name": "words that all differ",
        "same": "the same in every row of train",
    }
    for line in ("1 rows without y are left out", "missing values: price 5", "name (words that all differ), same"):
        assert line in logged()


def test_only_some_of_many_columns_are_named_in_a_line(tmp_path, logged):
    names = [f"c{place}" for place in range(20)]
    pl.DataFrame({name: [1] * 30 for name in names} | {"x": [0.5, 2.5] * 15, "y": ["a", "b"] * 15}).write_csv(
        tmp_path / "it.csv"
    )
    root = str(tmp_path / "it.csv")
    assert len(table(root, "y")["about"]["dropped"]) == 20
    assert "c7 (the same in every row of train) and 12 more" in logged()


def test_a_class_of_one_row_is_trained_on_and_said(tmp_path, logged):
    root = written(tmp_path, numbered() + "5,rare\n")
    sets = table(root, "y")
    assert sets["classes"] == ["a", "b", "rare"]
    assert (sets["train"].tensors[1] == 2).sum() == 1
    assert "classes with a single row, which is trained on: rare" in logged()


def test_codes_are_words_where_they_are_said_to_be(tmp_path):
    root = written(tmp_path, lines("code,y", *(f"{row % 3},{'ab'[row % 2]}" for row in range(ROWS))))
    assert table(root, "y")["about"]["inputs"] == ["code"]
    assert table(root, "y", categories=["code"])["about"]["inputs"] == ["code=0", "code=1", "code=2"]


NUMBERS = lines("x,y", *(f"{row % 7},{row * 1.5}" for row in range(ROWS)))


@pytest.mark.sampled
@pytest.mark.parametrize(("content", "metric"), [(numbered(), "val/acc"), (NUMBERS, "val/r2")])
def test_a_step_trains(folder: Path, content, metric):
    own = ["data=table", f"data.root={written(folder, content)}", "data.target=y", "model=mlp", "model.hidden=[8]"]
    run = fastrun.train([*own, "steps=2", "batch.size=8"], quiet=True)
    assert run.summary["best"]["metric"] == metric
    assert run.load_model()(torch.zeros(3, 1)).shape == (3, 2 if metric == "val/acc" else 1)


BAD = [
    (None, [], 2, "data.root is not set", ".parquet"),
    (numbered(), ["data.target=null"], 2, "data.target is not set", "choose one of x, y"),
    (
        numbered("label"),
        ["data.target=labl"],
        2,
        "data.target=labl: the table has no such column",
        "did you mean label?",
    ),
    (numbered(), ["data.target=nothing"], 2, "data.target=nothing: the table has no such column", "columns are x, y"),
    (numbered(), ["data.drop=[z]"], 2, "data.drop=z: the table has no such column", "columns are x, y"),
    (numbered(), ["data.drop=[y]"], 2, "data.target=y is also in data.drop", "remove it from one"),
    (numbered(), ["data.categories=[z]"], 2, "data.categories=z", "columns are x, y"),
    (numbered(), ["data.max_categories=0"], 2, "data.max_categories=0", "the minimum is 1"),
    (numbered(), ["data.task=sorting"], 2, "data.task=sorting is not known", "auto, classification, regression"),
    (numbered(), ["data.task=regression"], 2, "holds words such as 'a'", "data.task=classification"),
    (numbered(), ["data.val_fraction=0.5", "data.test_fraction=0.5"], 2, "nothing to train on", "below 1"),
    (numbered(), ["data.drop=[x]"], 3, "has no column to learn from", ""),
    (
        lines("x,y", *(f"1,{row % 2}" for row in range(30))),
        [],
        3,
        "has no column to learn from",
        "x (the same in every",
    ),
    (lines("x,y", *(f"{row},w{row}" for row in range(30))), [], 2, "30 different values in 30 rows", "another column"),
    (
        lines("x,y", *(f"2020-01-{row + 1:02},2020-02-{row % 5 + 1:02}" for row in range(9))),
        [],
        2,
        "holds Date",
        "words",
    ),
    (
        lines("x,y", *(f"{row},yes" for row in range(30))),
        [],
        3,
        "data.target=y is yes in every row",
        "nothing to learn",
    ),
    (
        lines("x,y", *(f"{row}," for row in range(30))),
        [],
        3,
        "data.target=y is missing in every row",
        "nothing to learn",
    ),
    (lines("x,y", *(f"{row},{row}.5e300" for row in range(30))), [], 3, "does not fit float32", "another unit"),
    ("", [], 3, "cannot be read: empty CSV", ""),
    ("x,y\n", [], 3, "has no rows", "first line has the names"),
    ("x,y\n1,a\n2,b,3\n", [], 3, "line 3 has 3 values, the first 2", "quote"),
    ("x,x,y\n1,2,a\n", [], 3, "2 columns named x", "its own name"),
    ('x,y\n"1,a\n2,b\n', [], 3, "cannot be read", "quote"),
    (numbered().encode() + b"1,caf\xe9\n", [], 3, "is not UTF-8: byte", "iconv"),
    (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), [], 3, "is not UTF-8: byte 0 is 0x89", "iconv"),
    ("/nowhere.csv", [], 3, "does not exist", ".parquet"),
    (".", [], 3, "is a folder", ".parquet"),
]


def refused(arguments: list[str], code: int, capfd) -> tuple[str, str]:
    """Check the exit code of a training and the form of what it says; return the error and the hint."""
    assert main(["train", "data=table", "model=mlp", *arguments]) == code
    error, hint = capfd.readouterr().err.strip().splitlines()
    assert error.startswith("error: ")
    assert hint.startswith("hint: ")
    return error, hint


@pytest.mark.sampled
@pytest.mark.parametrize(("content", "own", "code", "message", "hint"), BAD, ids=lambda value: repr(value)[:40])
def test_what_cannot_be_trained_on_is_refused_in_a_line(folder: Path, capfd, content, own, code, message, hint) -> None:
    is_path = content in (None, "/nowhere.csv", ".")
    root = content if is_path else written(folder, content)
    error, hinted = refused(["data.target=y", *([f"data.root={root}"] if root else []), *own], code, capfd)
    assert message in error
    assert hint in hinted


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("name", "content", "code", "message"),
    [
        ("it.parquet", b"", 3, "it.parquet cannot be read"),
        ("it.parquet", b"PAR1" + b"junk" * 20 + b"PAR1", 3, "it.parquet cannot be read"),
        ("it.xlsx", b"PK", 2, "cannot read .xlsx"),
        ("it", b"x,y", 2, "cannot read files without a suffix"),
    ],
)
def test_files_of_other_kinds_are_refused(folder: Path, capfd, name, content, code, message) -> None:
    root = written(folder, content, name)
    assert message in refused(["data.target=y", f"data.root={root}"], code, capfd)[0]


def test_without_polars_the_line_says_what_to_install(tmp_path, monkeypatch, capfd, folder):
    monkeypatch.setitem(sys.modules, "polars", None)
    error, hint = refused(["data.target=y", f"data.root={written(tmp_path, numbered())}"], 3, capfd)
    assert "polars, which is not installed" in error
    assert "pip install 'fastrun[table]'" in hint


@pytest.mark.slow
def test_polars_is_imported_only_to_read_a_table():
    code = "import fastrun.components.data.table, fastrun.components.data.text, sys; assert 'polars' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
