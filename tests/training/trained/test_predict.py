"""Predictions of a trained network, for every kind of data, as a table and as files; what cannot be read is named."""

from __future__ import annotations

import csv
import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

import fastrun
from fastrun.cli.main import main
from fastrun.errors import DataError

pl = pytest.importorskip("polars")

QUICK = ["amp=off", "pipeline=plain", "checkpoint=standard"]
TABLE = ["data=table", "data.root=it.csv", "model=mlp", "model.hidden=[8]", "batch.size=16", "steps=8", *QUICK]


@pytest.fixture
def photos(folder: Path) -> Path:
    """The directory of a run on images of two kinds: dark ones and bright ones."""
    random = np.random.default_rng(0)
    for name, low in {"dark": 0, "bright": 156}.items():
        (folder / "photos" / name).mkdir(parents=True)
        for number in range(16):
            pixels = random.integers(low, low + 100, (8, 8, 3), np.uint8)
            Image.fromarray(pixels).save(folder / "photos" / name / f"{number:02}.png")
    data = ["data=image_folder", "data.root=photos", "data.size=8", "data.val_fraction=0.25", "data.test_fraction=0"]
    return fastrun.train(
        [*data, "model=mlp", "model.hidden=[8]", "batch.size=8", "steps=40", "optimizer.lr=0.02", *QUICK], quiet=True
    ).directory


@pytest.fixture
def rows(folder: Path) -> str:
    """A table of two columns, whose target is twice the first of them."""
    x, z = np.random.default_rng(0).normal(size=(2, 80))
    lines = [f"{a:.6f},{b:.6f},{2 * a:.6f}" for a, b in zip(x, z, strict=True)]
    (folder / "it.csv").write_text("\n".join(["x,z,price", *lines]) + "\n")
    return "it.csv"


def test_images_are_told_apart_and_bad_ones_are_named(folder: Path, photos: Path, capfd) -> None:
    (folder / "new").mkdir()
    Image.new("RGB", (20, 10), (5, 5, 5)).save(folder / "new" / "night.jpg")
    Image.new("L", (9, 9), 250).save(folder / "new" / "snow.png")
    (folder / "new" / "torn.jpg").write_text("no image")
    (folder / "new" / "notes.txt").write_text("not asked for")
    assert main(["predict", str(photos), "new", "gone.png", "--jsonl", "out.jsonl"]) == 3
    out, err = capfd.readouterr()
    assert "2 predictions written: out.jsonl" in out
    assert "left out: gone.png does not exist" in err
    assert "left out: new/torn.jpg cannot be read: it is not an image" in err
    found = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    assert [(row["input"], row["class"]) for row in found] == [("new/night.jpg", "dark"), ("new/snow.png", "bright")]
    for row in found:
        assert sum(row["probabilities"].values()) == pytest.approx(1)
        assert row["probability"] == max(row["probabilities"].values())


def test_a_pattern_is_as_good_as_a_shell_s_and_the_outputs_are_the_model_s_own(photos: Path, capfd) -> None:
    assert main(["predict", str(photos), "photos/*/0[0-2].png", "--csv", "out.csv", "--batch", "2"]) == 0
    with Path("out.csv").open() as file:
        found = list(csv.DictReader(file))
    names = sorted(str(path) for path in Path("photos").glob("*/0[0-2].png"))
    assert [row["input"] for row in found] == names
    expected = fastrun.load(photos)(names).softmax(1).tolist()
    assert [[float(row["p_bright"]), float(row["p_dark"])] for row in found] == [pytest.approx(row) for row in expected]
    assert main(["predict", str(photos), names[0]]) == 0
    assert capfd.readouterr().out.splitlines()[-1].split()[:2] == [names[0], "bright"]


def test_rows_get_numbers_in_the_unit_of_the_target(rows: str, capfd, monkeypatch) -> None:
    run = fastrun.train([*TABLE, "data.target=price"], quiet=True)
    expected = fastrun.load(run.directory)(pl.read_csv(rows)).squeeze(1).tolist()
    assert main(["predict", str(run.directory), rows, "--parquet", "out.parquet", "--csv", "out.csv"]) == 0
    found = pl.read_parquet("out.parquet")
    assert found.columns == ["input", "price"]
    assert found["price"].to_list() == pytest.approx(expected)
    assert found["input"][0] == "it.csv:1"
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"x,z\n1.5,0\n")))
    capfd.readouterr()
    assert main(["predict", str(run.directory), "-"]) == 0
    name, value = capfd.readouterr().out.splitlines()[-1].split()
    assert name == "-:1"
    assert float(value) == pytest.approx(fastrun.load(run.directory)({"x": 1.5, "z": 0.0}).item(), abs=1e-4)
    Path("bad.csv").write_text("x\n1\n")
    assert main(["predict", str(run.directory), "bad.csv"]) == 3
    assert "has no column z" in capfd.readouterr().err


def test_arrays_are_taken_where_there_are_no_files(folder: Path, capfd) -> None:
    run = fastrun.train(["+recipe=mlp_fast", "epochs=1"], quiet=True)
    digits = load_digits().images[:3].astype(np.uint8)
    np.save(folder / "three.npy", digits)
    assert main(["predict", str(run.directory), "three.npy", "--csv", "out.csv"]) == 0
    with Path("out.csv").open() as file:
        found = list(csv.DictReader(file))
    assert [row["input"] for row in found] == ["three.npy:1", "three.npy:2", "three.npy:3"]
    expected = fastrun.load(run.directory)(digits[:, None]).argmax(1)
    assert [int(row["class"]) for row in found] == expected.tolist()
    np.save(folder / "words.npy", np.array(["a"]))
    assert main(["predict", str(run.directory), "words.npy"]) == 3


def test_a_class_that_was_trained_against_all_others_has_a_probability_of_its_own(folder: Path) -> None:
    run = fastrun.train(["+recipe=mlp_fast", "epochs=1", "loss=bce"], quiet=True)
    digits = load_digits().images[:5].astype(np.uint8)
    np.save(folder / "some.npy", digits)
    assert main(["predict", str(run.directory), "some.npy", "--jsonl", "out.jsonl"]) == 0
    expected = fastrun.load(run.directory)(digits[:, None]).sigmoid().tolist()
    found = [json.loads(line)["probabilities"].values() for line in Path("out.jsonl").read_text().splitlines()]
    assert [list(values) for values in found] == [pytest.approx(row, abs=1e-5) for row in expected]


def test_a_text_goes_on(folder: Path, capfd) -> None:
    (folder / "it.txt").write_text("to be, or not to be; " * 200)
    model = ["model=gpt", "model.width=16", "model.depth=1", "optimizer.lr=0.01", *QUICK]
    data = ["data=text", "data.root=it.txt", "data.length=16", "steps=120", "batch.size=16"]
    run = str(fastrun.train([*data, *model], quiet=True).directory)
    written = []
    for more in (["--seed", "1"], ["--seed", "1"], ["--seed", "2"], ["--temperature", "0"]):
        capfd.readouterr()
        assert main(["predict", run, "--prompt", "to be, or ", "--length", "40", *more]) == 0
        written.append(capfd.readouterr().out)
    assert written[0] == written[1]
    assert all(len(text) == 51 and text.startswith("to be, or ") for text in written)
    assert written[3] == "to be, or not to be; to be, or not to be; to be, or\n"[:50] + "\n"
    assert main(["predict", run, "--prompt", "Zebra"]) == 3
    assert "'Z'" in capfd.readouterr().err
    assert main(["predict", run, "it.txt"]) == 2
    assert "this network continues text\nhint: give it the beginning: --prompt TEXT" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([], 2, "there is nothing to predict for"),
        (["photos/*.jpeg"], 3, "no file matches photos/*.jpeg"),
        (["empty"], 3, "empty has no files to predict for"),
        (["gone.png"], 3, "error: gone.png does not exist"),
        (["photos", "--csv", "taken.csv"], 2, "taken.csv already exists"),
        (["photos", "--prompt", "to be"], 2, "--prompt continues a text, and photos is for predictions"),
        (["--prompt", "to be"], 2, "--prompt is for networks that continue text"),
        (["photos", "--batch", "0"], 2, "--batch 0"),
        (["photos", "--ckpt", "gone.ckpt"], 6, "gone.ckpt"),
    ],
)
def test_what_cannot_be_done_is_refused(photos: Path, capfd, arguments, code: int, message: str) -> None:
    Path("empty").mkdir()
    Path("taken.csv").write_text("mine")
    assert main(["predict", str(photos), *arguments]) == code
    assert message in capfd.readouterr().err
    assert Path("taken.csv").read_text() == "mine"


@pytest.mark.parametrize("long", [0.0, 10.0])
def test_how_many_are_computed_at_once_and_how_they_are_read_changes_nothing(photos: Path, monkeypatch, long) -> None:
    from fastrun.components.data.inputs import input_kind
    from fastrun.storage.checkpoint.select import select
    from fastrun.training.trained import predict as module
    from fastrun.training.trained.model import load_network
    from fastrun.training.trained.sources import find_sources

    monkeypatch.setattr(module, "_LONG", long)  # seconds to read a source that are worth several threads
    Path("photos/dark/99.png").write_text("torn")
    trained = load_network(select(photos / "checkpoints", "best", "val/acc"))
    kind = input_kind(trained.learned)
    sources = find_sources(["photos"] * 3, kind)
    with pytest.raises(DataError, match="nothing to predict for"):
        module.predict(trained, [])
    whole = module.predict(trained, find_sources(["photos"], kind))
    for batch in (1, 3, 32):
        done: list[int] = []
        part = module.predict(trained, sources, batch, done.append)
        assert part.names == whole.names * 3
        assert list(part.failed) == ["photos/dark/99.png"]
        torch.testing.assert_close(part.values, whole.values.repeat(3, 1))
        assert sum(done) == len(sources) == 99
