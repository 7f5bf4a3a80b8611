"""The CIFAR sets in each form that they are handed around in, and every way in which the files can be wrong."""

from __future__ import annotations

import io
import os
import pickle
import sys
import types
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import torch

import fastrun
from fastrun.components.data import cifar10 as cifar10_module
from fastrun.components.data import cifar100 as cifar100_module
from fastrun.components.data import store as storing
from fastrun.components.data.cifar10 import cifar10
from fastrun.components.data.cifar100 import cifar100
from fastrun.errors import DataError

BATCHES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
EACH = 4  # images a batch


def batch(name: str, count: int = EACH) -> tuple[np.ndarray, list[int]]:
    seed = BATCHES.index(name)
    return np.random.default_rng(seed).integers(0, 256, (count, 3072), np.uint8), [9 - seed - i for i in range(count)]


def python_2(pixels: np.ndarray, labels: list[int]) -> bytes:
    """What Python 2 and numpy 1 wrote, as the files of Toronto have it: strings are bytes, modules have old names."""
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\0tU\x01btR"
        + b"(K\x01(K%cM\x00\x0ctcnumpy\ndtype\n(U\x02u1K\0K\x01tR" % len(pixels)
        + b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\0tb\x89T"
        + len(pixels.tobytes()).to_bytes(4, "little")
        + pixels.tobytes()
        + b"tb"
    )
    listed = b"](" + b"".join(b"K%c" % label for label in labels) + b"e"
    return b"\x80\x02}(U\x04dataq\x01" + array + b"U\x06labelsq\x02" + listed + b"u."


def python_3(pixels: np.ndarray, labels: list[int]) -> bytes:
    return pickle.dumps({"batch_label": "a batch", "data": pixels, "labels": labels}, protocol=4)


def binary(pixels: np.ndarray, labels: list[int]) -> bytes:
    return np.column_stack([np.array(labels, np.uint8), pixels]).tobytes()


FORMS = {
    "python 2": ("cifar-10-batches-py", "", python_2),
    "python 3": ("cifar-10-batches-py", "", python_3),
    "binary": ("cifar-10-batches-bin", ".bin", binary),
}


def fill(root: Path, form: str) -> Path:
    folder, suffix, write = FORMS[form]
    (root / folder).mkdir(parents=True)
    for name in BATCHES:
        (root / folder / f"{name}{suffix}").write_bytes(write(*batch(name)))
    return root


def photos(root: Path, train: int = 2, classes: list[str] = CLASSES, side: int = 32) -> Path:
    image = pytest.importorskip("PIL.Image")
    for part, count in (("train", train), ("test", 1)):
        for label, name in enumerate(classes):
            (root / part / name).mkdir(parents=True)
            for number in range(count):
                path = root / part / name / f"{number:04}.jpg"
                image.new("RGB", (side, side), (10 * label, 100, 20 * number)).save(path)
    return root


def everything(root: Path) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    sets = cifar10(str(root), val_fraction=0)
    return {name: sets[name].tensors for name in ("train", "val", "test")}


def refusal(root: Path) -> str:
    with pytest.raises(DataError) as caught:
        cifar10(str(root))
    assert caught.value.exit_code == 3
    assert caught.value.hint
    return caught.value.render()


@pytest.mark.parametrize("form", FORMS)
def test_batches_are_read_whole_and_in_order(tmp_path, form):
    sets = everything(fill(tmp_path, form))
    for name, batches in (("train", BATCHES[:5]), ("test", BATCHES[5:])):
        x, y = sets[name]
        pixels, labels = zip(*map(batch, batches), strict=True)
        assert (x.dtype, x.shape[1:], y.dtype) == (torch.uint8, (3, 32, 32), torch.int64)
        assert np.array_equal(x.flatten(1).numpy(), np.concatenate(pixels))
        assert y.tolist() == list(chain(*labels))


def test_folders_of_images_are_read_with_the_labels_of_the_sorted_names(tmp_path):
    sets = everything(photos(tmp_path))
    x, y = sets["train"]
    assert (x.dtype, x.shape, y.dtype) == (torch.uint8, (20, 3, 32, 32), torch.int64)
    assert y.tolist() == sorted([*range(10)] * 2)
    assert (x[:, 0].float().mean((1, 2)) - 10 * y).abs().max() < 3  # red tells the class
    assert sets["test"][1].tolist() == [*range(10)]


def test_validation_is_cut_from_train_and_follows_the_seed(tmp_path):
    root = str(fill(tmp_path, "binary"))
    sets = cifar10(root, val_fraction=0.4)
    assert sum(len(sets[name]) for name in ("train", "val")) == 5 * EACH
    assert len(sets["val"]) > 0
    assert len(sets["test"]) == EACH
    again, other = (cifar10(root, 0.4, seed)["val"].tensors[0] for seed in (0, 1))
    assert torch.equal(sets["val"].tensors[0], again)
    assert again.shape != other.shape or not torch.equal(again, other)


def test_without_a_fraction_the_test_images_validate(tmp_path):
    sets = cifar10(str(fill(tmp_path, "binary")), val_fraction=0)
    assert sets["val"] is sets["test"]
    assert (len(sets["train"]), len(sets["val"])) == (5 * EACH, EACH)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("index", [1, 5])
def test_a_missing_batch_is_named(tmp_path, form, index):
    folder, suffix, _ = FORMS[form]
    path = fill(tmp_path, form) / folder / f"{BATCHES[index]}{suffix}"
    path.unlink()
    assert f"{path} is missing" in refusal(tmp_path)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("length", [0, 1, 100, 5000, -1])
def test_a_batch_that_is_cut_short_is_refused(tmp_path, form, length):
    folder, suffix, _ = FORMS[form]
    path = fill(tmp_path, form) / folder / f"{BATCHES[0]}{suffix}"
    path.write_bytes(path.read_bytes()[:length])
    assert f"{path} cannot be read" in refusal(tmp_path)


@pytest.mark.parametrize("form", FORMS)
def test_a_label_that_is_none_of_ten_is_refused(tmp_path, form):
    folder, suffix, write = FORMS[form]
    path = fill(tmp_path, form) / folder / f"{BATCHES[0]}{suffix}"
    pixels, labels = batch(BATCHES[0])
    path.write_bytes(write(pixels, [*labels[1:], 10]))
    assert "label of 0 to 9" in refusal(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        {"data": batch(BATCHES[0])[0], "labels": [1]},
        {"data": batch(BATCHES[0])[0].astype(float), "labels": [1] * EACH},
        {"data": batch(BATCHES[0])[0], "labels": ["bird"] * EACH},
        {"data": np.zeros((EACH, 5), np.uint8), "labels": [1] * EACH},
        {"data": np.zeros((0, 3072), np.uint8), "labels": []},
        {"data": batch(BATCHES[0])[0]},
        [1, 2],
    ],
    ids=["few labels", "floats", "words", "small", "empty", "no labels", "a list"],
)
def test_a_pickle_of_something_else_is_refused(tmp_path, content):
    path = fill(tmp_path, "python 3") / "cifar-10-batches-py/data_batch_1"
    path.write_bytes(pickle.dumps(content, protocol=4))
    assert f"{path} cannot be read" in refusal(tmp_path)


class Malicious:
    """Unpickling it makes a folder."""

    def __init__(self, function, *arguments) -> None:
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("function", [os.mkdir, eval, io.open, np.save])
def test_a_pickle_that_would_run_something_is_refused_and_not_run(tmp_path, function):
    path = fill(tmp_path, "python 3") / "cifar-10-batches-py/data_batch_1"
    trace = tmp_path / "it_ran.npy"
    arguments = {eval: (f"open({str(trace)!r}, 'w')",), io.open: (str(trace), "w"), np.save: (str(trace), 1)}
    pixels, labels = batch(BATCHES[0])
    harm = Malicious(function, *arguments.get(function, (str(trace),)))
    path.write_bytes(pickle.dumps({"data": pixels, "labels": labels, "more": harm}, protocol=4))
    assert "which no array needs" in refusal(tmp_path)
    assert not trace.exists()


def test_a_name_with_dots_leads_nowhere(tmp_path):
    path = fill(tmp_path, "python 3") / "cifar-10-batches-py/data_batch_1"
    path.write_bytes(b"\x80\x04\x8c\x05numpy\x8c\x0cndarray.dump\x93.")
    assert "numpy.ndarray.dump, which no array needs" in refusal(tmp_path)


def test_a_root_without_any_of_it_is_refused(tmp_path):
    assert "is not a folder" in refusal(tmp_path / "nowhere")
    assert "CIFAR-10 is not in" in refusal(tmp_path)
    (tmp_path / "train").mkdir()
    assert "CIFAR-10 is not in" in refusal(tmp_path)


def test_folders_of_other_images_are_refused(tmp_path):
    assert "has 3 classes, but CIFAR-10 has 10" in refusal(photos(tmp_path / "few", 2, CLASSES[:3]))
    assert "is not an image of 32x32" in refusal(photos(tmp_path / "large", side=40))
    image = pytest.importorskip("PIL.Image")
    image.new("RGB", (31, 32)).save(photos(tmp_path / "odd") / "test/ship/odd.jpg")
    assert "ship/odd.jpg is 32x31" in refusal(tmp_path / "odd")


def test_a_broken_image_is_named(tmp_path):
    (photos(tmp_path) / "train/cat/0001.jpg").write_bytes(b"\xff\xd8\xff broken")
    assert "train/cat/0001.jpg cannot be read" in refusal(tmp_path)


def test_the_second_time_nothing_is_decoded(tmp_path, home, monkeypatch):
    first = everything(photos(tmp_path))
    assert len(list(home.glob("*.pixels"))) == 1
    monkeypatch.setattr(storing, "write", lambda *_: pytest.fail("decoded again"))
    monkeypatch.chdir(tmp_path)
    for root in (tmp_path, Path()):  # however it is written
        for name, tensors in everything(root).items():
            assert all(map(torch.equal, tensors, first[name]))


def test_a_part_that_is_not_of_the_set_is_not_looked_at(tmp_path):
    root = photos(tmp_path)
    (root / "val/ship").mkdir(parents=True)
    (root / "val/ship/0.jpg").write_bytes(b"no image")
    assert len(everything(root)["val"][0]) == 10


def test_a_cache_that_cannot_be_written_does_no_harm(tmp_path, home):
    home.write_text("a file where the folder should be")
    assert len(everything(photos(tmp_path))["train"][0]) == 20


def test_without_room_the_images_are_decoded_each_time(tmp_path, monkeypatch):
    monkeypatch.setattr("fastrun.system.free_space.free_memory", lambda: 1000)
    sets = cifar10(str(photos(tmp_path)), val_fraction=0)
    assert not hasattr(sets["train"], "tensors")
    assert (len(sets["train"]), sets["val"] is sets["test"], sets["train"][0][0].shape) == (20, True, (3, 32, 32))


def test_without_a_root_an_earlier_download_is_read_without_torchvision(home, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision", None)
    fill(home, "python 2")
    assert len(cifar10()["test"]) == EACH


def test_without_a_root_torchvision_downloads(home, monkeypatch):
    def download(root: Path, download: bool) -> None:
        assert download
        fill(root, "python 2")

    datasets = types.SimpleNamespace(CIFAR10=download)
    monkeypatch.setitem(sys.modules, "torchvision", types.SimpleNamespace(datasets=datasets))
    assert len(cifar10()["test"]) == EACH
    assert [path.name for path in home.iterdir()] == ["cifar-10-batches-py"]


@pytest.mark.parametrize("error", [OSError("no route"), RuntimeError("corrupted"), None])
def test_where_nothing_can_be_downloaded_the_hint_says_what_to_set(home, monkeypatch, error):
    def fail(*_: object, **__: object) -> None:
        raise error

    there = types.SimpleNamespace(datasets=types.SimpleNamespace(CIFAR10=fail)) if error else None
    monkeypatch.setitem(sys.modules, "torchvision", there)
    with pytest.raises(DataError, match="cannot be downloaded") as caught:
        cifar10()
    assert ("data.root must hold" if error else "pip install 'fastrun[vision]'") in caught.value.hint


@pytest.mark.parametrize("form", ["python 2", "binary", "photos"])
def test_a_step_trains_resident(folder: Path, form):
    root = photos(folder / "data") if form == "photos" else fill(folder / "data", form)
    asked = ["data=cifar10", "data.val_fraction=0", f"data.root={root}", "pipeline=resident", "batch.size=4", "steps=1"]
    run = fastrun.train([*asked, "model=mlp", "model.hidden=[8]"], quiet=True)
    assert run.summary["steps"] == 1
    assert run.summary["heuristics"]["pipeline"]["used"] == "resident"


@pytest.mark.slow
def test_the_exit_code_in_a_process_of_its_own(shell, folder: Path):
    path = fill(folder / "data", "python 3") / "cifar-10-batches-py/data_batch_1"
    path.write_bytes(pickle.dumps(Malicious(os.mkdir, str(folder / "it_ran"))))
    done = shell("train", "data=cifar10", "data.root=data")
    assert (done.returncode, done.stderr.count("\n")) == (3, 2), done.stderr
    assert "data_batch_1 cannot be read" in done.stderr
    assert not (folder / "it_ran").exists()


def fine(part: str, count: int) -> tuple[np.ndarray, list[int]]:
    seed = len(part)
    return np.random.default_rng(seed).integers(0, 256, (count, 3072), np.uint8), [
        (7 * i + seed) % 100 for i in range(count)
    ]


@pytest.mark.parametrize("form", ["pickles", "binaries"])
def test_of_cifar_100_the_fine_labels_are_read(tmp_path, form):
    for part, count in (("train", 40), ("test", 10)):
        pixels, labels = fine(part, count)
        if form == "pickles":
            path = tmp_path / "cifar-100-python" / part
            content = {"data": pixels, "fine_labels": labels, "coarse_labels": [label % 20 for label in labels]}
            data = pickle.dumps(content, protocol=4)
        else:
            path = tmp_path / "cifar-100-binary" / f"{part}.bin"
            coarse = np.array([label % 20 for label in labels], np.uint8)
            data = np.column_stack([coarse, np.array(labels, np.uint8), pixels]).tobytes()
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)
    sets = cifar100(str(tmp_path), val_fraction=0)
    assert sets["val"] is sets["test"]
    for part, count in (("train", 40), ("test", 10)):
        pixels, labels = fine(part, count)
        x, y = sets[part].tensors
        assert np.array_equal(x.flatten(1).numpy(), pixels)
        assert y.tolist() == labels


def test_cifar_100_in_folders_has_a_hundred(tmp_path):
    names = [f"kind {number:02}" for number in range(100)]
    sets = cifar100(str(photos(tmp_path / "all", 1, names)))
    assert sets["classes"] == names
    with pytest.raises(DataError, match="has 10 classes, but CIFAR-100 has 100"):
        cifar100(str(photos(tmp_path / "few")))


def test_the_classes_have_their_names():
    assert cifar10_module.CIFAR10.classes == CLASSES
    names = cifar100_module.CIFAR100.classes
    assert len(names) == len(set(names)) == 100
    assert names == sorted(names)
    assert (names[0], names[-1]) == ("apple", "worm")
