"""What a run learned from its data stays with it: other data is refused, or measured with the run's own preparation."""

from __future__ import annotations

import datetime
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import fastrun
from fastrun.cli.main import main
from fastrun.errors import DataError

pl = pytest.importorskip("polars")

TABLE = ["data=table", "data.root=it.csv", "data.target=y", "model=mlp", "model.hidden=[8]", "batch.size=16", "steps=4"]
Measure = Callable[..., dict[str, float]]


def write_noise(path: Path, rows: int = 120, labels: str = "ab") -> None:
    """Write a table whose labels have nothing to do with its inputs, so that only a mixed split finds any."""
    draw = np.random.default_rng(rows)
    lines = [f"{draw.normal():.6f},{draw.normal():.6f},{labels[draw.integers(len(labels))]}" for _ in range(rows)]
    path.write_text("\n".join(["x,z,y", *lines]) + "\n")


@pytest.fixture
def measure(capfd) -> Measure:
    """Return what ``fastrun eval`` measures."""

    def run_eval(*arguments: str) -> dict[str, float]:
        capfd.readouterr()
        assert main(["eval", *arguments, "--json"]) == 0, capfd.readouterr().err
        return {key: value for key, value in json.loads(capfd.readouterr().out).items() if "/" in key}

    return run_eval


@pytest.fixture
def run(folder: Path) -> Path:
    """The directory of a run on a table."""
    write_noise(folder / "it.csv")
    return fastrun.train(TABLE, quiet=True).directory


def test_a_row_that_is_appended_does_not_mix_train_into_test(folder: Path, run: Path, capfd, measure) -> None:
    before = measure(str(run))
    with (folder / "it.csv").open("a") as file:
        file.write("0.5,0.5,a\n")
    capfd.readouterr()
    assert main(["eval", str(run)]) == 3
    error = capfd.readouterr().err
    assert "the data has changed since the run was trained: " in error
    assert "120 rows, now 121" in error
    assert "--anyway" in error
    assert measure(str(run), "--anyway") == before
    assert main(["resume", str(run), "steps=6"]) == 3
    assert "--anyway" in capfd.readouterr().err
    assert main(["resume", str(run), "steps=6", "--anyway"]) == 0


def test_values_that_are_shifted_are_measured_as_the_run_scaled_its_own(folder: Path, capfd, measure) -> None:
    rows = [f"{place % 13},{place % 13 * 2.5 + 7}" for place in range(200)]
    (folder / "it.csv").write_text("\n".join(["x,y", *rows]) + "\n")
    run = str(fastrun.train([*TABLE, "steps=200", "optimizer.lr=0.01"], quiet=True).directory)
    assert measure(run)["test/r2"] > 0.9
    shifted = [f"{place % 13},{place % 13 * 2.5 + 1007}" for place in range(200)]
    (folder / "more.csv").write_text("\n".join(["x,y", *shifted]) + "\n")
    assert measure(run, "data.root=more.csv")["new/r2"] < -1
    assert measure(run, "data.root=more.csv")["new/mae"] == pytest.approx(1000, rel=0.05)


def test_other_data_is_measured_whole_and_a_copy_as_the_run_split_its_own(folder: Path, run: Path, measure) -> None:
    before = measure(str(run))
    shutil.copy("it.csv", "copy.csv")
    assert measure(str(run), "data.root=copy.csv") == before
    write_noise(folder / "new.csv", rows=33)
    assert main(["eval", str(run), "data.root=new.csv", "--split", "val"]) == 2
    assert measure(str(run), "data.root=new.csv").keys() >= {"new/loss", "new/acc"}


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("x,z,y\n1,2,c\n3,4,a\n", "classes that the run was not trained on: c"),
        ("x,y\n1,a\n3,b\n", "has no column z"),
        ("x,z,y\n2020-01-01,2,a\n2021-01-01,4,b\n", "the column x holds Date values; it held numbers"),
    ],
)
def test_data_of_another_kind_is_refused_by_name(folder: Path, run: Path, capfd, content: str, words: str) -> None:
    (folder / "other.csv").write_text(content)
    assert main(["eval", str(run), "data.root=other.csv"]) == 3
    assert words in capfd.readouterr().err


def paint(folder: Path, classes: str, count: int = 12, size: int = 8) -> None:
    draw = np.random.default_rng(len(classes))
    for name in classes:
        (folder / name).mkdir(parents=True)
        for place in range(count):
            Image.fromarray(draw.integers(0, 256, (size, size, 3), np.uint8)).save(folder / name / f"{place}.png")


IMAGES = ["data=image_folder", "data.root=photos", "model=mlp", "model.hidden=[8]", "batch.size=8", "steps=2"]


def test_a_folder_of_other_classes_is_refused_by_their_names(folder: Path, capfd, measure) -> None:
    paint(folder / "photos", "ab")
    paint(folder / "others", "cd")
    paint(folder / "more", "a")
    paint(folder / "same", "ab", count=5)
    run = str(fastrun.train(IMAGES, quiet=True).directory)
    assert main(["eval", run, "data.root=others"]) == 3
    assert "classes that the run was not trained on: c, d" in capfd.readouterr().err
    assert measure(run, "data.root=more").keys() >= {"new/loss", "new/acc"}
    assert measure(run, "data.root=same").keys() >= {"new/loss", "new/acc"}
    before = measure(run)
    Image.new("RGB", (8, 8)).save("photos/a/0000.png")
    assert main(["eval", run]) == 3
    assert "24 files, now 25" in capfd.readouterr().err
    assert measure(run, "--anyway") == before


def test_a_text_with_other_characters_is_refused(folder: Path, capfd, measure) -> None:
    (folder / "it.txt").write_text("to be, or not to be; " * 40)
    model = ["model=gpt", "model.width=8", "model.depth=1"]
    data = ["data=text", "data.root=it.txt", "data.length=8", "steps=2", "batch.size=8"]
    run = fastrun.train([*data, *model], quiet=True)
    (folder / "other.txt").write_text("Zebra " * 40)
    assert main(["eval", str(run.directory), "data.root=other.txt"]) == 3
    assert "'Z'" in capfd.readouterr().err
    (folder / "more.txt").write_text("not to be, " * 10)
    assert measure(str(run.directory), "data.root=more.txt").keys() >= {"new/loss", "new/perplexity"}
    assert fastrun.load(run.directory)("to be").shape == (1, 5, 9)


def test_a_model_is_loaded_without_its_data_from_a_run_or_a_checkpoint(folder: Path, run: Path, measure) -> None:
    rows = pl.read_csv("it.csv")
    expected = fastrun.load(run)(rows)
    moved = folder / "elsewhere"
    shutil.move(str(run), str(moved))
    (folder / "it.csv").unlink()
    model = fastrun.load(moved)
    assert model.takes == "rows as dicts, or a data frame of polars or pandas, with the columns x, z"
    assert not model.training
    assert torch.equal(model(rows), expected)
    assert torch.equal(model(rows.to_dicts()), expected)
    torch.testing.assert_close(model(rows.to_dicts()[0]), expected[:1])
    assert torch.equal(fastrun.load(max(moved.glob("checkpoints/*.ckpt")))(rows), fastrun.load(moved, "last")(rows))
    assert model.classes == ["a", "b"]
    with pytest.raises(DataError, match="has no z"):
        model({"x": 1})


def test_images_are_taken_as_bytes_floats_paths_or_pictures_and_their_range_is_checked(folder: Path) -> None:
    paint(folder / "photos", "ab")
    model = fastrun.load(fastrun.train(IMAGES, quiet=True).directory)
    x = torch.randint(256, (5, 3, 8, 8), dtype=torch.uint8)
    expected = model(x)
    assert expected.shape == (5, 2)
    torch.testing.assert_close(model(x / 255), expected)
    assert torch.equal(model(x.numpy()), expected)
    pictures = [Image.fromarray(one.permute(1, 2, 0).numpy()) for one in x]
    assert torch.equal(model(pictures), expected)
    pictures[0].save("it.png")
    torch.testing.assert_close(model("it.png"), expected[:1])
    for wrong, words in {
        x.float(): "float images must be in",
        x[:, :, :4]: "have shape",
        "nowhere.png": "cannot be read",
    }.items():
        with pytest.raises(DataError) as error:
            model(wrong)
        assert words in error.value.render()


def test_a_folder_without_a_test_part_is_split_three_ways(folder: Path, measure) -> None:
    paint(folder / "photos", "ab", count=20)
    run = fastrun.train(IMAGES, quiet=True).directory
    assert json.loads((run / "data.json").read_text())["samples"] == {"train": 32, "val": 4, "test": 4}
    assert measure(str(run)).keys() >= {"test/loss", "test/acc"}


OWN = """
import torch
from torch.utils.data import TensorDataset

def data(**_):
    y = torch.arange(64) % 2
    train, test = torch.rand(64, 4), torch.zeros(8, 4, dtype=torch.uint8)
    return {"train": TensorDataset(train, y), "val": TensorDataset(train, y), "test": TensorDataset(test, y[:8])}
"""


def test_a_set_whose_splits_differ_in_type_can_be_gone_on_with_as_it_could_be_trained_on(folder: Path) -> None:
    (folder / "mixed.py").write_text(OWN)
    own = ["data._target_=mixed.data", "model=mlp", "model.hidden=[4]", "batch.size=16"]
    run = fastrun.train([*own, "steps=2"], quiet=True).directory
    assert main(["resume", str(run), "steps=4"]) == 0


CITIES = "bern", "rome"
ROWS = [f"{20 + number % 37},{CITIES[number % 2]},2024-0{1 + number % 9}-11,{number % 2}" for number in range(60)]
ROW = {"size": 30, "city": "rome", "when": "2024-03-11"}


@pytest.fixture
def mixed(folder: Path) -> Path:
    """The directory of a run on numbers, words and dates."""
    (folder / "it.csv").write_text("\n".join(["size,city,when,y", *ROWS]) + "\n")
    return fastrun.train(TABLE, quiet=True).directory


def test_rows_spelled_as_in_the_file_are_those_of_the_file(mixed: Path) -> None:
    model = fastrun.load(mixed)
    spelled = model({"size": "30", "city": "rome", "when": "2024-03-11"})
    assert torch.equal(spelled, model({"size": 30, "city": "rome", "when": datetime.date(2024, 3, 11)}))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([ROW | {"size": "big"}], "words in the column size, which held numbers"),
        ([ROW | {"when": "soon"}], "the column when holds words; it held dates"),
        (
            [ROW, {"size": 30, "when": "2024-03-11"}],
            "row 2 of 2 has no city",
        ),
        ([], "there are no rows"),
    ],
)
def test_rows_that_would_be_taken_for_something_else_are_refused(mixed: Path, rows: list[dict], words: str) -> None:
    with pytest.raises(DataError, match=words):
        fastrun.load(mixed)(rows)


def test_a_word_that_was_never_seen_is_named(mixed: Path, caplog) -> None:
    fastrun.load(mixed)({"size": 30, "city": "oslo", "when": "2024-03-11"})
    assert "city was never 'oslo' when the run was trained" in caplog.text


def test_words_that_stood_among_the_numbers_of_train_are_missing_values_again(folder: Path, measure) -> None:
    rows = [f"{'unknown' if number % 30 == 7 else number},{number % 2}" for number in range(120)]
    (folder / "it.csv").write_text("\n".join(["size,y", *rows]) + "\n")
    run = fastrun.train(TABLE, quiet=True).directory
    assert measure(str(run))
    with pytest.raises(DataError, match="words in the column size"):
        fastrun.load(run)([{"size": "huge"}])
    assert fastrun.load(run)([{"size": "unknown"}]).shape == (1, 2)


def test_pictures_of_a_run_on_other_whites_are_brought_to_its_range(folder: Path) -> None:
    model = fastrun.load(fastrun.train(["+recipe=mlp_fast", "epochs=1"], quiet=True).directory)
    pixels = (torch.arange(64).reshape(1, 8, 8) * 255 // 63).to(torch.uint8)
    picture = Image.fromarray(pixels[0].numpy())
    assert torch.equal(model([picture]), model((pixels * (16 / 255)).round().to(torch.uint8)))
    with pytest.raises(DataError, match="nearly black"):
        model([Image.fromarray((pixels[0].numpy() // 16).astype(np.uint8))])
    with pytest.raises(DataError, match="whole numbers must be in 0 to 16"):
        model(pixels)
