import gzip
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from fastrun.data import fashion_mnist as module
from fastrun.data.fashion_mnist import fashion_mnist
from fastrun.errors import DataError

REAL = Path(__file__).parents[3] / "shared" / "data" / "fashion-mnist"
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
    assert {name: len(part) for name, part in parts.items()} == {"train": 60, "val": 20, "test": 20}
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
    refusal(folder)


def test_a_root_that_is_no_folder_is_refused(tmp_path):
    assert "is not a folder" in refusal(tmp_path / "nowhere")
    (tmp_path / "file").write_text("")
    assert "is not a folder" in refusal(tmp_path / "file")


def test_without_a_root_debians_folder_is_read(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_DEBIAN", fill(tmp_path, packed=True))
    assert len(fashion_mnist()["test"]) == 20


def test_without_any_files_and_without_torchvision_the_ways_to_get_them_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_DEBIAN", tmp_path / "nowhere")
    monkeypatch.setattr(module, "_DOWNLOADS", tmp_path)
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    with pytest.raises(DataError, match="cannot be downloaded") as caught:
        fashion_mnist()
    assert "data.root" in caught.value.hint


@pytest.mark.skipif(not REAL.is_dir(), reason=f"the real files are not at {REAL}")
def test_the_real_set_is_read_whole():
    parts = fashion_mnist(str(REAL))
    assert {name: len(part) for name, part in parts.items()} == {"train": 55_000, "val": 5_000, "test": 10_000}
    for name, count in (("train", 5_500), ("val", 500), ("test", 1_000)):
        assert torch.bincount(parts[name].tensors[1]).tolist() == [count] * 10
    images = torch.cat([parts["train"].tensors[0], parts["val"].tensors[0]])
    assert images.float().mean().item() == pytest.approx(72.9404, abs=1e-3)  # 0.2860, as published, of 255
