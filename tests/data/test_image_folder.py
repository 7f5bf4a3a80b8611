"""Images in folders: the layouts, what is decoded and when, and every way in which a folder can be wrong."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

import fastrun
from fastrun.data import image_folder as module
from fastrun.data.image_folder import decode, image_folder
from fastrun.data.sets import checked, labels
from fastrun.errors import ConfigError, DataError

Image = pytest.importorskip("PIL.Image")

TINY = ["data=image_folder", "data.val_fraction=0.25", "model=mlp", "model.hidden=[8]", "batch.size=4", "steps=1"]


def image(path: Path, seed: int = 0, height: int = 6, width: int = 6) -> np.ndarray:
    """Write an image and return its pixels, which a lossless format keeps."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return pixels


def fill(folder: Path, count: int = 10, classes: tuple[str, ...] = ("ant", "bee"), suffix: str = "png") -> Path:
    for label, name in enumerate(classes):
        for number in range(count):
            image(folder / name / f"{number}.{suffix}", 100 * label + number)
    return folder


def refusal(root: Path, kind: type[DataError | ConfigError] = DataError, **arguments) -> str:
    with pytest.raises(kind) as caught:
        checked(image_folder(str(root), **arguments))
    assert caught.value.hint
    return caught.value.show()


def sizes(sets) -> dict[str, int]:
    return {name: len(part) for name, part in sets.items()}


def test_validation_is_cut_from_train_class_by_class_where_there_is_no_folder_of_it(tmp_path):
    fill(tmp_path / "train")
    fill(tmp_path / "test", 3)
    sets = image_folder(str(tmp_path), val_fraction=0.2)
    assert sizes(sets) == {"train": 16, "val": 4, "test": 6}
    assert [torch.bincount(labels(sets[name])).tolist() for name in sets] == [[8, 8], [2, 2], [3, 3]]
    assert sorted(sets["train"].paths + sets["val"].paths) == sorted(map(str, tmp_path.glob("train/*/*.png")))


def test_a_folder_of_validation_is_taken_whole(tmp_path):
    fill(tmp_path / "train")
    fill(tmp_path / "val", 1)
    assert sizes(image_folder(str(tmp_path))) == {"train": 20, "val": 2}


def test_folders_of_classes_alone_are_train_and_val(tmp_path):
    assert sizes(image_folder(str(fill(tmp_path)))) == {"train": 18, "val": 2}


def test_the_seed_alone_decides_on_the_split(tmp_path):
    fill(tmp_path, 20)
    first, again, other = (image_folder(str(tmp_path), split_seed=seed)["val"].paths for seed in (0, 0, 1))
    assert first == again != other


def test_a_sample_is_its_image_as_bytes_and_the_place_of_its_folders_name(tmp_path):
    pixels = {}
    for label, name in enumerate(("Zebra", "ant", "bee")):  # as sorted() has them: capitals first
        pixels[label] = image(tmp_path / "train" / name / "it.png", label, 4, 5)
        image(tmp_path / "val" / name / "it.png", label, 4, 5)
    for index, (x, y) in enumerate(image_folder(str(tmp_path))["train"]):
        assert (x.dtype, x.shape, y) == (torch.uint8, (3, 4, 5), index)
        assert np.array_equal(x.permute(1, 2, 0).numpy(), pixels[index])


@pytest.mark.parametrize("suffix", ["jpg", "JPG", "jpeg", "png", "bmp", "webp"])
def test_every_format_is_read(tmp_path, suffix):
    sets = image_folder(str(fill(tmp_path, 2, suffix=suffix)), val_fraction=0.5)
    assert sizes(sets) == {"train": 2, "val": 2}
    assert sets["train"][1][0].shape == (3, 6, 6)


@pytest.mark.parametrize("mode", ["L", "P", "RGBA", "CMYK", "1"])
def test_other_colours_become_red_green_and_blue(tmp_path, mode):
    path = tmp_path / f"it.{'jpg' if mode == 'CMYK' else 'png'}"
    Image.new("RGB", (6, 6), "white").convert(mode).save(path)
    assert torch.equal(decode(str(path)), torch.full((3, 6, 6), 255, dtype=torch.uint8))


def test_what_is_hidden_or_no_image_is_passed_over(tmp_path):
    fill(tmp_path, 2)
    for name in (".ipynb_checkpoints/0.png", "ant/._0.png", "ant/notes.txt", "README.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("no image")
    sets = image_folder(str(tmp_path), val_fraction=0.5)
    assert sizes(sets) == {"train": 2, "val": 2}


@pytest.mark.parametrize(("height", "width"), [(8, 16), (16, 8), (8, 40), (300, 300)])
def test_a_size_makes_a_square_of_the_middle(tmp_path, height, width):
    pixels = np.zeros((height, width, 3), np.uint8)
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    pixels[top : top + side, left : left + side] = 255
    Image.fromarray(pixels).save(tmp_path / "it.png")
    assert torch.equal(decode(str(tmp_path / "it.png"), 8), torch.full((3, 8, 8), 255, dtype=torch.uint8))


def test_a_large_jpeg_decoded_at_a_fraction_looks_the_same(tmp_path):
    smooth = Image.fromarray(np.random.default_rng(0).integers(0, 256, (5, 5, 3), np.uint8)).resize((640, 480))
    smooth.save(tmp_path / "it.jpg", quality=95)
    smooth.save(tmp_path / "it.png")
    small, whole = (decode(str(tmp_path / name), 32).float() for name in ("it.jpg", "it.png"))
    assert (small - whole).abs().mean() < 2


def test_nothing_is_decoded_to_count_the_classes(tmp_path, monkeypatch):
    decoded = []
    monkeypatch.setattr(module, "decode", lambda path, size=None: decoded.append(path) or decode(path, size))
    sets = checked(image_folder(str(fill(tmp_path))))
    assert (sets.num_classes, sets.in_shape) == (2, (3, 6, 6))
    assert len(decoded) <= 2


def test_worker_processes_load_the_same_samples_however_they_are_started(tmp_path):
    train = image_folder(str(fill(tmp_path)))["train"]
    expected = torch.stack([x for x, _ in train])
    assert torch.equal(torch.stack([x for x, _ in pickle.loads(pickle.dumps(train))]), expected)
    found = list(DataLoader(train, 5, num_workers=2))
    assert torch.equal(torch.cat([x for x, _ in found]), expected)
    assert torch.cat([y for _, y in found]).tolist() == train.targets


def test_a_step_trains_with_workers(folder: Path):
    run = fastrun.train([*TINY, "pipeline=workers", f"data.root={fill(folder / 'photos', 4)}"], quiet=True)
    assert run.summary["steps"] == 1
    assert run.summary["heuristics"]["pipeline"]["used"] == "workers"


def test_images_of_any_shape_train_with_a_size(folder: Path):
    fill(folder / "photos", 4)
    image(folder / "photos/ant/wide.jpg", 0, 9, 30)
    run = fastrun.train([*TINY, f"data.root={folder / 'photos'}", "data.size=6"], quiet=True)
    assert run.summary["steps"] == 1


def test_another_shape_is_refused_naming_the_file(tmp_path):
    image(fill(tmp_path, 2) / "bee/odd.png", 0, 6, 7)
    sets = image_folder(str(tmp_path), val_fraction=0)
    with pytest.raises(DataError, match=r"bee/odd.png is 6x7 \(height x width\), but the first image 6x6") as caught:
        list(sets["train"])
    assert "data.size" in caught.value.hint


def test_validation_and_test_must_have_the_shape_of_train(tmp_path):
    fill(tmp_path / "train", 2)
    image(tmp_path / "val/ant/odd.png", 0, 7, 7)
    with pytest.raises(DataError, match=r"odd.png is 7x7"):
        image_folder(str(tmp_path))["val"][0]


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", "cut short", "EPS"])
def test_an_image_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "broken.png"
    image(path, 0, 40, 40)
    content = path.read_bytes()[:900] if content == "cut short" else content
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n" if content == "EPS" else content)
    with pytest.raises(DataError, match=r"broken.png cannot be read") as caught:
        decode(str(path))
    assert caught.value.hint


def test_more_than_8_bits_are_refused_rather_than_cut_off(tmp_path):
    Image.fromarray(np.full((4, 4), 40_000, np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(DataError, match=r"deep.png has more than 8 bits"):
        decode(str(tmp_path / "deep.png"))


def test_an_error_in_a_worker_process_keeps_its_line_and_its_hint(tmp_path):
    image(fill(tmp_path, 2) / "bee/odd.png", 0, 6, 7)
    with pytest.raises(DataError) as caught:
        list(DataLoader(image_folder(str(tmp_path), val_fraction=0)["train"], 2, num_workers=1))
    assert caught.value.message == f"{tmp_path}/bee/odd.png is 6x7 (height x width), but the first image 6x6"
    assert caught.value.hint == "data=image_folder with data.size=N brings all to one size"
    assert caught.value.exit_code == 3


def test_without_pillow_the_way_to_get_it_is_named(tmp_path, monkeypatch):
    fill(tmp_path, 2)
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert "hint: pip install 'fastrun[vision]'" in refusal(tmp_path)


def test_folders_that_do_not_fit_are_refused(tmp_path):
    assert "is not a folder" in refusal(tmp_path / "nowhere")
    assert "has no folders of classes" in refusal(tmp_path)
    (tmp_path / "ant").mkdir()
    assert "ant holds no images" in refusal(tmp_path)
    fill(tmp_path, 4, ("ant",))
    assert "one class only" in refusal(tmp_path, val_fraction=0.5)
    (tmp_path / "empty").mkdir()
    assert "empty holds no images" in refusal(tmp_path)


def test_a_level_of_folders_that_is_missing_is_told(tmp_path):
    image(tmp_path / "0.png")
    assert f"{tmp_path} has images but no folders of classes" in refusal(tmp_path)
    image(tmp_path / "train/0.png")
    assert "train has images but no folders of classes" in refusal(tmp_path)


def test_a_folder_of_test_images_without_one_to_train_on_is_refused(tmp_path):
    fill(tmp_path / "test", 1)
    assert "has test but no train" in refusal(tmp_path)


@pytest.mark.parametrize("part", ["val", "test"])
def test_classes_that_train_lacks_are_refused(tmp_path, part):
    fill(tmp_path / "train", 2)
    fill(tmp_path / part, 1, ("ant", "bees"))
    told = refusal(tmp_path)
    assert f"{part}/bees is a class that train lacks" in told
    assert "did you mean bee?" in told


def test_a_part_may_lack_classes_of_train_and_labels_stay_the_same(tmp_path):
    fill(tmp_path / "train", 2)
    fill(tmp_path / "val", 2, ("bee",))
    assert image_folder(str(tmp_path))["val"].targets == [1, 1]


def test_arguments_that_do_not_fit_are_refused(tmp_path):
    fill(tmp_path, 2)
    assert "the least is 1" in refusal(tmp_path, ConfigError, size=0)
    assert "nothing to train on" in refusal(tmp_path, ConfigError, val_fraction=1.0)
    assert "the val set is empty" in refusal(tmp_path, val_fraction=0)


def test_a_run_that_meets_a_broken_image_ends_with_its_name(folder: Path):
    for path in fill(folder / "photos", 4).glob("bee/*.png"):
        path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DataError, match=r"^photos/bee/\d.png cannot be read: [^/]+$"):
        fastrun.train([*TINY, "pipeline=workers", "data.root=photos"], quiet=True)


def test_the_exit_code_in_a_process_of_its_own(shell):
    done = shell("train", "data=image_folder")
    assert (done.returncode, done.stderr.count("\n")) == (2, 2), done.stderr
    assert "data.root is not set" in done.stderr
