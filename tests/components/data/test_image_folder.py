"""Images in folders: the parts and their samples, kept or decoded each time, and what a run makes of bad input."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch.utils.data import DataLoader, TensorDataset

import fastrun
from fastrun.cli.main import main
from fastrun.components.data import image_folder as module
from fastrun.components.data.image_folder import ImageFiles, ImageRows
from fastrun.components.data.labels import labels
from fastrun.components.data.splits import check_splits
from fastrun.errors import ConfigError, DataError

Image = pytest.importorskip("PIL.Image")

TINY = ["data=image_folder", "data.val_fraction=0.25", "data.test_fraction=0", "model=mlp", "model.hidden=[8]",
        "batch.size=4", "steps=1"]  # fmt: skip
EACH_TIME, ONCE = "data.cache=false", "data.cache=true"


def image_folder(root: str | None = None, **arguments) -> dict:
    """Read a folder without a test set, unless it has a folder of that name or a test asks for one."""
    return module.image_folder(root, **{"test_fraction": 0.0} | arguments)


def refusal(root: Path, kind: type[DataError | ConfigError] = DataError, **arguments) -> str:
    with pytest.raises(kind) as caught:
        check_splits(image_folder(str(root), **arguments))
    assert caught.value.hint
    return caught.value.render()


def parts(sets) -> dict:
    return {name: sets[name] for name in ("train", "val", "test") if name in sets}


def sizes(sets) -> dict[str, int]:
    return {name: len(part) for name, part in parts(sets).items()}


def everything(sets) -> list[tuple[str, torch.Tensor, int]]:
    return [(name, part[i][0], int(part[i][1])) for name, part in parts(sets).items() for i in range(len(part))]


def test_validation_is_cut_from_train_class_by_class_where_there_is_no_folder_of_it(tmp_path, fill):
    fill(tmp_path / "train")
    fill(tmp_path / "test", 3)
    sets = image_folder(str(tmp_path), val_fraction=0.2, cache=False)
    assert sizes(sets) == {"train": 16, "val": 4, "test": 6}
    assert [torch.bincount(labels(part)).tolist() for part in parts(sets).values()] == [[8, 8], [2, 2], [3, 3]]
    assert sorted(sets["train"].sample_names + sets["val"].sample_names) == sorted(
        map(str, tmp_path.glob("train/*/*.png"))
    )


def test_a_folder_of_validation_is_taken_whole(tmp_path, fill):
    fill(tmp_path / "train")
    fill(tmp_path / "val", 1)
    assert sizes(image_folder(str(tmp_path))) == {"train": 20, "val": 2}


def test_folders_of_classes_alone_are_train_and_val_and_give_their_names(tmp_path, fill):
    sets = image_folder(str(fill(tmp_path)))
    assert sizes(sets) == {"train": 18, "val": 2}
    assert sets["classes"] == ["ant", "bee"]


def test_the_seed_alone_decides_on_the_split(tmp_path, fill):
    fill(tmp_path, 20)
    first, again, other = (
        image_folder(str(tmp_path), split_seed=seed, cache=False)["val"].sample_names for seed in (0, 0, 1)
    )
    assert first == again != other


def test_a_sample_is_its_image_as_bytes_and_the_place_of_its_folders_name(tmp_path, paint):
    pixels = {}
    for label, name in enumerate(("Zebra", "ant", "bee")):
        pixels[label] = paint(tmp_path / "train" / name / "it.png", label, 4, 5)
        paint(tmp_path / "val" / name / "it.png", label, 4, 5)
    for cache in (True, False):
        for index, (x, y) in enumerate(image_folder(str(tmp_path), cache=cache)["train"]):
            assert (x.dtype, x.shape, y) == (torch.uint8, (3, 4, 5), index)
            assert np.array_equal(x.permute(1, 2, 0).numpy(), pixels[index])


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    counts=st.lists(st.integers(1, 4), min_size=2, max_size=4),
    folders=st.sets(st.sampled_from(["val", "test"])),
    size=st.sampled_from([None, 4, (3, 7)]),
    fraction=st.sampled_from([0.0, 0.1, 0.4, 0.9]),
    seed=st.integers(0, 3),
    bad=st.sets(st.integers(0, 40), max_size=4),
)
def test_kept_or_decoded_each_time_the_samples_are_the_same(
    tmp_path_factory, fill, counts, folders, size, fraction, seed, bad
):
    root = tmp_path_factory.mktemp("root")
    for part in ("train", *folders):
        for number, count in enumerate(counts):
            fill(root / part, count, (f"class {number}",))
    files = sorted(root.glob("*/*/*.png"))
    for place in bad:
        if files[place % len(files)].name != "0.png":  # a class keeps an image
            files[place % len(files)].write_bytes(b"no image")
    kept, lazy = (
        image_folder(str(root), size=size, val_fraction=fraction, split_seed=seed, cache=cache, skip_bad=True)
        for cache in (True, False)
    )
    assert sizes(kept) == sizes(lazy)
    assert kept["about"]["skipped"] == lazy["about"]["skipped"]
    for (name, x, y), (other_name, other_x, other_y) in zip(everything(kept), everything(lazy), strict=True):
        assert (name, y) == (other_name, other_y)
        assert torch.equal(x, other_x)
    assert len(labels(kept["train"]).unique()) == len(counts)  # no class is without an image to train on


def test_kept_images_can_be_resident_and_those_of_a_folder_are_not_copied(tmp_path, fill):
    fill(tmp_path / "train")
    fill(tmp_path / "val", 1)
    sets = image_folder(str(tmp_path))
    train, val = sets["train"], sets["val"]
    assert isinstance(train, TensorDataset)
    assert train.tensors[0].untyped_storage().data_ptr() == val.tensors[0].untyped_storage().data_ptr()


def test_a_cut_too_large_to_copy_is_read_from_the_file(tmp_path, fill, monkeypatch):
    expected = everything(image_folder(str(fill(tmp_path))))
    monkeypatch.setattr(module, "fits_memory", lambda needed: needed < 10 * 108)
    sets = image_folder(str(tmp_path), cache=True)
    assert isinstance(sets["train"], ImageRows)
    assert isinstance(sets["val"], TensorDataset)
    assert labels(sets["train"]).tolist() == [0] * 9 + [1] * 9
    for (_, x, y), (_, other_x, other_y) in zip(everything(sets), expected, strict=True):
        assert torch.equal(x, other_x)
        assert y == other_y


def test_worker_processes_load_the_same_samples_however_they_are_started(tmp_path, fill):
    train = image_folder(str(fill(tmp_path)), cache=False)["train"]
    assert isinstance(train, ImageFiles)
    expected = torch.stack([x for x, _ in train])
    assert torch.equal(torch.stack([x for x, _ in pickle.loads(pickle.dumps(train))]), expected)
    found = list(DataLoader(train, 5, num_workers=2))
    assert torch.equal(torch.cat([x for x, _ in found]), expected)
    assert torch.cat([y for _, y in found]).tolist() == train.targets


def test_an_error_in_a_worker_process_keeps_its_line_and_its_hint(tmp_path, fill, paint):
    paint(fill(tmp_path, 2) / "bee/odd.png", 0, 6, 7)
    with pytest.raises(DataError) as caught:
        list(DataLoader(image_folder(str(tmp_path), val_fraction=0, cache=False)["train"], 2, num_workers=1))
    assert caught.value.message == f"{tmp_path}/bee/odd.png is 6x7 (height x width), but the first image is 6x6"
    assert caught.value.hint == "data=image_folder with data.size=N resizes all images to one size"
    assert caught.value.exit_code == 3


def test_validation_and_test_must_have_the_shape_of_train(tmp_path, fill, paint):
    fill(tmp_path / "train", 2)
    paint(tmp_path / "val/ant/odd.png", 0, 7, 7)
    with pytest.raises(DataError, match=r"odd.png is 7x7"):
        image_folder(str(tmp_path), cache=False)["val"][0]


@pytest.mark.sampled
@pytest.mark.parametrize("cache", [True, False])
def test_a_class_of_one_image_is_trained_on_and_named(tmp_path, fill, cache, logged):
    fill(tmp_path, 1, ("wasp",))
    fill(tmp_path, 3, ("fly",))
    sets = image_folder(str(fill(tmp_path, 10)), val_fraction=0.1, cache=cache)
    assert torch.bincount(labels(sets["train"])).tolist() == [9, 9, 3, 1]
    assert sets["about"]["not_validated"] == ["fly", "wasp"]
    line = logged()[-1]
    assert "data.val_fraction=0.1" in line
    assert line.endswith("only trained on: fly (3), wasp (1)")


def test_where_every_class_is_validated_nothing_is_said(tmp_path, fill, logged):
    about = image_folder(str(fill(tmp_path)), val_fraction=0.5)["about"]
    assert about.keys() == {"decoded"}
    assert all("decoding" in line or "per second" in line for line in logged())


@pytest.mark.parametrize("cache", [True, False])
def test_skipped_files_are_counted_and_the_first_named(tmp_path, fill, cache, logged):
    fill(tmp_path, 10)
    (tmp_path / "ant/notes.txt").write_text("no image")
    for number in range(6):
        (tmp_path / f"bee/{number}.png").write_bytes(b"no image")
    sets = image_folder(str(tmp_path), cache=cache, skip_bad=True)
    assert sum(sizes(sets).values()) == 14
    assert sets["about"]["skipped"] == 7
    assert len(sets["about"]["skipped_files"]) == 5
    assert sets["about"]["skipped_files"][0].startswith(f"{tmp_path}/ant/notes.txt is not an image")
    assert "data.skip_bad=true: 7 of 21 files are left out, the first: " in logged()[-2]


def test_a_name_of_any_bytes_is_read_and_can_be_printed(tmp_path, fill):
    fill(tmp_path / "photos", 4)
    odd = os.fsencode(tmp_path / "photos/bee") + b"/\xff\n.png"
    (tmp_path / "photos/bee/0.png").rename(os.fsdecode(odd))
    assert sizes(image_folder(str(tmp_path / "photos"))) == {"train": 8, "val": 0}
    Path(os.fsdecode(odd)).write_bytes(b"no image")
    about = image_folder(str(tmp_path / "photos"), skip_bad=True)["about"]
    assert "photos/bee/\\udcff .png cannot be read" in about["skipped_files"][0]


def test_arguments_that_do_not_fit_are_refused(tmp_path, fill):
    fill(tmp_path, 2)
    assert "nothing to train on" in refusal(tmp_path, ConfigError, val_fraction=1.0)
    assert "the val set is empty" in refusal(tmp_path, val_fraction=0)
    with pytest.raises(ConfigError, match=r"data.root is not set"):
        image_folder()


def test_a_single_class_is_refused(tmp_path, fill):
    assert "one class only: ant" in refusal(fill(tmp_path, 4, ("ant",)), val_fraction=0.5)


def test_what_cannot_be_right_is_reported_before_anything_is_decoded(tmp_path, fill, home):
    refusal(fill(tmp_path / "two"), ConfigError, val_fraction=1.5)
    refusal(fill(tmp_path / "one", 4, ("ant",)))
    assert not home.exists()


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("own", "used"),
    [([], "resident"), ([EACH_TIME], "workers"), ([ONCE], "resident"), (["data.size=[5,7]"], "resident")],
)
def test_a_step_trains(folder: Path, fill, own, used):
    run = fastrun.train([*TINY, "pipeline=resident", f"data.root={fill(folder / 'photos', 4)}", *own], quiet=True)
    assert run.summary["steps"] == 1
    assert run.summary["heuristics"]["pipeline"]["used"] == used


@pytest.mark.slow
def test_images_of_any_shape_train_with_a_size(folder: Path, fill, paint):
    fill(folder / "photos", 4)
    paint(folder / "photos/ant/wide.jpg", 0, 9, 30)
    run = fastrun.train([*TINY, f"data.root={folder / 'photos'}", "data.size=6"], quiet=True)
    assert run.summary["steps"] == 1


@pytest.mark.slow
def test_resuming_is_exact_whether_pixels_are_kept_or_not(folder: Path, fill):
    source = [f"data.root={fill(folder / 'photos')}", "pipeline=resident", "augment=crop_flip", "schedule=constant"]
    overrides = [*TINY[:-1], *source]
    half = fastrun.train([*overrides, EACH_TIME, "epochs=1"], quiet=True)
    whole = fastrun.train([*overrides, ONCE, "epochs=2"], quiet=True)
    assert main(["resume", str(half.directory), "epochs=2", ONCE]) == 0
    expected, resumed = (run.load_model("last").state_dict() for run in (whole, half))
    assert all(torch.equal(resumed[name], value) for name, value in expected.items())
    assert json.loads((half.directory / "summary.json").read_text())["steps"] == whole.summary["steps"]


@pytest.mark.parametrize("own", [[EACH_TIME, "pipeline=workers"], [ONCE], []])
def test_a_run_that_meets_a_broken_image_ends_with_its_name(folder: Path, fill, own):
    for path in fill(folder / "photos", 4).glob("bee/*.png"):
        path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DataError, match=r"^photos/bee/\d.png cannot be read: [^/]+$"):
        fastrun.train([*TINY, "data.root=photos", *own], quiet=True)


@pytest.mark.sampled
@pytest.mark.parametrize("own", [EACH_TIME, ONCE])
def test_a_run_without_its_broken_images_says_how_many(folder: Path, fill, own):
    (fill(folder / "photos", 4) / "bee/1.png").write_bytes(b"no image")
    run = fastrun.train([*TINY, "data.root=photos", "data.skip_bad=true", own], quiet=True)
    about = json.loads((run.directory / "data.json").read_text())
    assert about["skipped"] == 1
    assert about["skipped_files"][0].startswith("photos/bee/1.png cannot be read")
    assert about["classes"] == ["ant", "bee"]
    assert "1 of 8 files are left out" in (run.directory / "run.log").read_text()


@pytest.mark.sampled
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("notes.txt", "photos/bee/notes.txt is not an image"),
        ("empty.jpg", "photos/bee/empty.jpg cannot be read: it is not an image"),
        ("text.PNG", "photos/bee/text.PNG cannot be read: it is not an image"),
        ("link.png", "photos/bee/link.png cannot be read: No such file or directory"),
        ("deep.png", "photos/bee/deep.png has more than 8 bits per channel"),
    ],
)
def test_each_kind_of_bad_file_is_named_with_a_hint_and_exit_code_3(folder: Path, fill, capfd, name, message):
    path = fill(folder / "photos", 4) / "bee" / name
    if name == "link.png":
        path.symlink_to("nowhere")
    elif name == "deep.png":
        Image.fromarray(np.full((6, 6), 40_000, np.uint16)).save(path)
    else:
        path.write_text("" if name == "empty.jpg" else "no image")
    assert main(["train", *TINY, "data.root=photos"]) == 3
    error, hint = capfd.readouterr().err.splitlines()
    assert message in error
    assert "skip_bad" in hint
    assert main(["train", *TINY, "data.root=photos", "data.skip_bad=true"]) == 0


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_may_not_be_read_is_named(folder: Path, fill):
    (fill(folder / "photos", 4) / "bee/1.png").chmod(0)
    with pytest.raises(DataError, match=r"photos/bee/1.png cannot be read: Permission denied"):
        fastrun.train([*TINY, "data.root=photos"], quiet=True)


@pytest.mark.slow
def test_the_exit_code_in_a_process_of_its_own(shell, folder, fill):
    (fill(folder / "photos", 200) / "bee/77.png").write_bytes(b"no image")  # enough for processes that decode
    done = shell("train", *TINY, "data.root=photos")
    assert (done.returncode, done.stderr.count("\n")) == (3, 2), done.stderr
    assert "photos/bee/77.png cannot be read" in done.stderr
