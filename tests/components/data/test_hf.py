"""Data sets of the library datasets: files and folders here, as texts with targets, as blocks, and as images."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from fastrun.components.data.hf import hf
from fastrun.components.tokenizer.bpe import bpe
from fastrun.errors import ConfigError, DataError

datasets = pytest.importorskip("datasets")

ROWS = [
    {"said": f"it was {word} {number}", "label": label}
    for number in range(30)
    for label, word in (("bad", "awful"), ("good", "lovely"))
]


def written(folder: Path, form: str) -> str:
    path = folder / f"it.{form}"
    if form == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    elif form == "csv":
        path.write_text("said,label\n" + "".join(f"{row['said']},{row['label']}\n" for row in ROWS))
    else:
        datasets.Dataset.from_list(ROWS).to_parquet(str(path))
    return str(path)


def test_texts_with_labels_are_padded_and_split_class_by_class(tmp_path: Path) -> None:
    sets = hf(written(tmp_path, "csv"), text="said", target="label", length=12, tokenizer=bpe(size=300))
    sizes = {name: len(sets[name]) for name in ("train", "val", "test")}
    assert sum(sizes.values()) == len(ROWS)
    assert sets["classes"] == ["bad", "good"]
    x, y = sets["train"].tensors
    assert (x.dtype, x.shape[1], y.dtype) == (torch.int64, 12, torch.int64)
    assert (x[:, 0] != 0).all()
    for form in ("jsonl", "parquet"):
        other = hf(written(tmp_path, form), text="said", target="label", length=12, tokenizer=bpe(size=300))
        assert other["fingerprint"] == sets["fingerprint"]
        assert torch.equal(other["train"].tensors[0], x)


def test_texts_without_targets_are_blocks_of_their_next_tokens(tmp_path: Path) -> None:
    sets = hf(written(tmp_path, "jsonl"), text="said", length=8)
    x, y = sets["train"].tensors
    assert torch.equal(x[:, 1:], y[:, :-1])
    assert sets["about"]["documents"]["train"] == 48


def test_a_folder_has_the_splits_that_its_files_are_named_for(tmp_path: Path) -> None:
    (tmp_path / "it").mkdir()
    for name, rows in {"train": ROWS[:40], "validation": ROWS[40:50], "test": ROWS[50:]}.items():
        (tmp_path / "it" / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    sets = hf(str(tmp_path / "it"), text="said", target="label", length=8)
    assert [len(sets[name]) for name in ("train", "val", "test")] == [40, 10, 10]


def test_numbers_are_numbers_and_rows_without_a_value_are_left_out(tmp_path: Path) -> None:
    rows = [{"said": f"word {number}", "score": number / 7 if number else None} for number in range(20)]
    (tmp_path / "it.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    sets = hf(str(tmp_path / "it.jsonl"), text="said", target="score", length=8)
    assert sets["classes"] is None
    assert sets["train"].tensors[1].dtype == torch.float32
    assert sum(len(sets[name]) for name in ("train", "val", "test")) == 19


def test_images_of_a_column_are_pixels(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    pictures = [image.new("RGB", (8, 6), (number, 0, 0)) for number in range(20)]
    table = datasets.Dataset.from_dict({"picture": pictures, "kind": [number % 2 for number in range(20)]})
    table.to_parquet(str(tmp_path / "it.parquet"))
    sets = hf(str(tmp_path / "it.parquet"), image="picture", target="kind")
    assert sets["train"].tensors[0].shape[1:] == (3, 6, 8)
    assert sets["train"].tensors[0].dtype == torch.uint8
    assert sets["classes"] == ["0", "1"]


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        ({"text": "sad"}, "data.text=sad: the data has no such column", "did you mean said?"),
        ({"text": "said", "target": "stars"}, "data.target=stars: the data has no such column", "said, label"),
        ({}, "neither data.text nor data.image is set", "said, label"),
        ({"text": "said", "image": "label"}, "data.text and data.image are both set", "said, label"),
        ({"image": "said", "target": "label"}, "data.image names a column that holds no images", "said, label"),
        ({"text": "said", "target": "said"}, "60 different values in 60 rows", "choose another column"),
    ],
)
def test_columns_that_are_wrong_are_refused_by_name(tmp_path: Path, arguments, message: str, hint: str) -> None:
    with pytest.raises(ConfigError) as error:
        hf(written(tmp_path, "jsonl"), **arguments)
    assert message in error.value.message
    assert hint in (error.value.hint or "")


def test_a_source_that_is_wrong_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "it.jsonl").write_text("{no json\n")
    with pytest.raises(DataError, match=r"data.source=.*it\.jsonl cannot be read"):
        hf(str(tmp_path / "it.jsonl"), text="said")
    with pytest.raises(ConfigError, match=r"data.source=gone\.csv: no such file or folder"):
        hf("gone.csv", text="said")
    with pytest.raises(ConfigError, match=r"data\.source is not set"):
        hf()
