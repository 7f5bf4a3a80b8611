"""The four idx files: what is read from them, where they are looked for, and every way in which they can be wrong."""

from __future__ import annotations

import gzip
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastrun.components.data.fashion_mnist import fashion_mnist
from fastrun.components.data.mnist import mnist
from fastrun.errors import DataError

SETS = {"MNIST": mnist, "FashionMNIST": fashion_mnist}
IMAGES, LABELS = "train-images-idx3-ubyte", "train-labels-idx1-ubyte"


def idx(values: np.ndarray) -> bytes:
    """The idx form: two zero bytes, 8 for uint8, the rank, the sizes in big-endian int32, the values."""
    return bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">i4").tobytes() + values.astype(np.uint8).tobytes()


def arrays(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    return np.random.default_rng(seed).integers(0, 256, (count, 28, 28)), np.arange(count) % 10


def write(folder: Path, name: str, data: bytes, packed: bool) -> None:
    (folder / f"{name}.gz" if packed else folder / name).write_bytes(gzip.compress(data) if packed else data)


def fill(folder: Path, packed: bool) -> Path:
    for part, count in (("train", 80), ("t10k", 20)):
        images, labels = arrays(count, count)
        write(folder, f"{part}-images-idx3-ubyte", idx(images), packed)
        write(folder, f"{part}-labels-idx1-ubyte", idx(labels), packed)
    return folder


@pytest.fixture(params=[True, False], ids=["gz", "plain"])
def packed(request) -> bool:
    return request.param


@pytest.fixture
def folder(tmp_path, packed) -> Path:
    return fill(tmp_path, packed)


def refusal(folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        fashion_mnist(str(folder))
    assert caught.value.exit_code == 3
    return caught.value.message


def test_the_four_files_are_read_gzipped_or_not(folder):
    parts = fashion_mnist(str(folder), val_fraction=0.25)
    assert {name: len(parts[name]) for name in ("train", "val", "test")} == {"train": 60, "val": 20, "test": 20}
    x, y = parts["test"].tensors
    images, labels = arrays(20, 20)
    assert (x.dtype, x.shape, y.dtype) == (torch.uint8, (20, 1, 28, 28), torch.int64)
    assert np.array_equal(x[:, 0].numpy(), images)
    assert y.tolist() == labels.tolist()


def test_validation_is_cut_from_the_training_files_and_never_from_the_test_files(folder):
    parts = fashion_mnist(str(folder), val_fraction=0.25)
    together = torch.cat([parts["train"].tensors[0], parts["val"].tensors[0]])[:, 0].numpy()
    images, _ = arrays(80, 80)
    assert sorted(image.tobytes() for image in together) == sorted(image.astype(np.uint8).tobytes() for image in images)


def test_images_keep_their_labels(folder):
    images, labels = arrays(80, 80)
    label_of = {image.astype(np.uint8).tobytes(): label for image, label in zip(images, labels, strict=True)}
    x, y = fashion_mnist(str(folder))["train"].tensors
    assert [label_of[image.numpy().tobytes()] for image in x] == y.tolist()


@pytest.mark.parametrize("name", [IMAGES, LABELS, "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_a_missing_file_is_named(folder, packed, name):
    (folder / (f"{name}.gz" if packed else name)).unlink()
    message = refusal(folder)
    assert name in message
    assert "is missing" in message


@pytest.mark.parametrize("length", [0, 3, 4, 10, 16, 500])
def test_a_file_whose_values_are_cut_short_is_refused(folder, packed, length):
    write(folder, IMAGES, idx(arrays(80, 0)[0])[:length], packed)
    assert IMAGES in refusal(folder)


@pytest.mark.parametrize("packed", [True], indirect=True)
@pytest.mark.parametrize("length", [0, 1, 9, 30, -1])
def test_a_gzip_file_that_is_cut_short_is_refused(folder, length):
    path = folder / f"{LABELS}.gz"
    path.write_bytes(path.read_bytes()[:length])
    assert LABELS in refusal(folder)


@pytest.mark.parametrize("packed", [True], indirect=True)
@pytest.mark.parametrize("place", [0, 10, 11, 12, -8, -1])
def test_a_gzip_file_with_a_changed_byte_is_refused(folder, place):
    path = folder / f"{IMAGES}.gz"
    data = bytearray(path.read_bytes())
    data[place] ^= 0xFF
    path.write_bytes(data)
    assert IMAGES in refusal(folder)


@pytest.mark.parametrize("data", [b"<html>not found</html>", b"\0" * 40])
def test_a_file_of_something_else_is_refused(folder, packed, data):
    write(folder, IMAGES, data, packed)
    assert IMAGES in refusal(folder)


@pytest.mark.parametrize("part", ["train", "t10k"])
def test_labels_that_are_not_as_many_as_the_images_are_refused(folder, packed, part):
    write(folder, f"{part}-labels-idx1-ubyte", idx(np.arange(7)), packed)
    assert f"images of {part}, but 7 labels" in refusal(folder)


def test_a_root_that_is_no_folder_is_refused(tmp_path):
    assert "is not a folder" in refusal(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    assert "is not a folder" in refusal(tmp_path / "file")


@pytest.fixture(params=SETS)
def name(request) -> str:
    """The name of a set to torchvision."""
    return request.param


@pytest.fixture
def factory(name) -> Callable[..., dict[str, Any]]:
    return SETS[name]


def test_every_set_is_read_alike(folder, factory):
    sets = factory(str(folder), val_fraction=0.25)
    assert [len(sets[part]) for part in ("train", "val", "test")] == [60, 20, 20]
    assert len(sets["classes"]) == len(set(sets["classes"])) == 10


def test_without_a_root_an_earlier_download_is_read_without_torchvision(home, monkeypatch, name, factory):
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    (home / name / "raw").mkdir(parents=True)
    fill(home / name / "raw", packed=False)
    assert len(factory()["test"]) == 20


def test_without_a_root_torchvision_downloads(home, monkeypatch, name, factory):
    def download(root: Path, download: bool) -> None:
        assert download
        (root / name / "raw").mkdir(parents=True)
        fill(root / name / "raw", packed=False)

    monkeypatch.setitem(
        sys.modules, "torchvision", types.SimpleNamespace(datasets=types.SimpleNamespace(**{name: download}))
    )
    assert len(factory()["test"]) == 20


@pytest.mark.parametrize("error", [OSError("no route"), RuntimeError("corrupted"), None])
def test_where_nothing_can_be_downloaded_the_ways_to_get_it_are_named(monkeypatch, name, factory, error):
    def fail(*_: object, **__: object) -> None:
        raise error

    there = types.SimpleNamespace(datasets=types.SimpleNamespace(**{name: fail})) if error else None
    monkeypatch.setitem(sys.modules, "torchvision", there)
    with pytest.raises(DataError, match="cannot be downloaded") as caught:
        factory()
    assert "set data.root to the folder of its four idx files" in caught.value.hint
    assert ("dataset-fashion-mnist" in caught.value.hint) == (name == "FashionMNIST")


@pytest.mark.parametrize(("file", "values"), [(IMAGES, np.arange(80)), (LABELS, np.zeros((80, 2, 2)))])
def test_files_that_were_swapped_are_told(folder, packed, file, values):
    write(folder, file, idx(values), packed)
    assert "is not an idx file of bytes in" in refusal(folder)


def test_a_label_that_is_none_of_ten_is_refused(folder, packed):
    write(folder, LABELS, idx(np.arange(80) % 11), packed)
    assert "has the label 10; Fashion-MNIST has 0 to 9" in refusal(folder)


@settings(deadline=None, max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    name=st.sampled_from([IMAGES, LABELS]), cut=st.integers(0, 90), place=st.integers(0, 87), value=st.integers(0, 255)
)
def test_whatever_is_wrong_with_a_file_is_an_error_of_the_data(tmp_path_factory, name, cut, place, value):
    folder = fill(tmp_path_factory.mktemp("idx"), packed=False)
    data = bytearray((folder / name).read_bytes())
    data[place] = value
    (folder / name).write_bytes(data[: len(data) - cut])
    try:
        sets = fashion_mnist(str(folder))
    except DataError as error:
        assert name in error.message or "labels" in error.message  # noqa: PT017 (both ends are right)
    else:
        assert len(sets["train"]) + len(sets["val"]) == 80
