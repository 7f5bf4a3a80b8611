"""Which files of a folder are images of which class, and every way in which a folder can be laid out wrongly."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastrun.components.data.listing import list_images
from fastrun.errors import DataError

NAMES = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0", exclude_categories=["Cs"]), min_size=1, max_size=9
)


def touch(folder: Path, *names: str) -> Path:
    """Make empty files: nothing is opened to list them."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()
    return folder


def refusal(root: Path, skip_bad: bool = False) -> str:
    with pytest.raises(DataError) as caught:
        list_images(root, skip_bad)
    assert caught.value.exit_code == 3
    assert caught.value.hint
    return caught.value.render()


def test_parts_classes_and_files_come_sorted_whatever_their_suffix(tmp_path):
    names = ["b.PNG", "a.jpg", "c.JPEG", "d.webp", "e.bmp", "f.GIF", "g.tiff", "h.jfif"]
    touch(tmp_path, *(f"train/{kind}/{name}" for kind in ("Zebra", "ant") for name in names), "test/ant/a.png")
    found = list_images(tmp_path)
    assert found.classes == ["Zebra", "ant"]  # as sorted() has them: capitals first
    assert [Path(path).name for path in found.splits["train"][0]] == sorted(names) * 2
    assert found.splits["train"][1] == [0] * 8 + [1] * 8
    assert found.splits["test"] == ([str(tmp_path / "test/ant/a.png")], [1])
    assert found.paths == found.splits["train"][0] + found.splits["test"][0]


def test_without_a_folder_train_the_folders_are_classes(tmp_path):
    assert list_images(touch(tmp_path, "ant/0.png", "bee/0.png")).splits.keys() == {"train"}


def test_what_systems_leave_in_folders_is_passed_over(tmp_path):
    litter = ("ant/._0.png", "ant/.DS_Store", "ant/Thumbs.db", "bee/desktop.ini", ".ipynb_checkpoints/0.png")
    touch(tmp_path, "ant/0.png", "bee/0.png", "README.md", *litter)
    (tmp_path / "ant/.ipynb_checkpoints").mkdir()
    assert len(list_images(tmp_path).paths) == 2


@pytest.mark.parametrize("name", ["notes.txt", "photo.heic", "photo", "clip.mp4"])
def test_what_is_no_image_is_named_or_left_out_if_asked_for(tmp_path, name):
    touch(tmp_path, "ant/0.png", "bee/0.png", f"bee/{name}")
    message = refusal(tmp_path)
    assert f"{tmp_path}/bee/{name} is not an image" in message
    assert "data.skip_bad=true" in message
    found = list_images(tmp_path, skip_bad=True)
    assert len(found.paths) == 2
    assert list(found.skipped) == [f"{tmp_path}/bee/{name}"]


def test_links_are_followed_and_one_to_nothing_is_message(tmp_path):
    photos = touch(tmp_path / "far", "wasps/0.png", "1.png")
    root = touch(tmp_path / "root", "ant/0.png")
    (root / "wasp").symlink_to(photos / "wasps")
    (root / "ant/1.png").symlink_to(photos / "1.png")
    assert [os.path.relpath(path, root) for path in list_images(root).paths] == ["ant/0.png", "ant/1.png", "wasp/0.png"]
    (photos / "wasps/0.png").unlink()
    (photos / "wasps").rmdir()
    assert f"{root}/wasp is a link to nothing" in refusal(root)


def test_folders_that_do_not_fit_are_refused(tmp_path):
    assert "is not a folder" in refusal(tmp_path / "nowhere")
    assert "has no folders of classes" in refusal(tmp_path)
    (tmp_path / "ant").mkdir()
    assert "ant contains no images" in refusal(tmp_path)
    touch(tmp_path, "ant/0.png", "bee/notes.txt")
    assert "bee contains no images" in refusal(tmp_path, skip_bad=True)


def test_a_level_of_folders_too_few_or_too_many_is_message(tmp_path):
    assert f"{tmp_path} has images but no folders of classes" in refusal(touch(tmp_path, "0.png"))
    assert "train has images but no folders of classes" in refusal(touch(tmp_path, "train/0.png"))
    assert "ant/young is a folder inside the folder of a class" in refusal(
        touch(tmp_path, "train/ant/young/0.png"), True
    )


def test_a_folder_of_test_images_without_one_to_train_on_is_refused(tmp_path):
    assert "has test but no train" in refusal(touch(tmp_path, "test/ant/0.png"))


@pytest.mark.parametrize("part", ["val", "test"])
def test_classes_that_train_lacks_are_refused(tmp_path, part):
    message = refusal(touch(tmp_path, "train/ant/0.png", "train/bee/0.png", f"{part}/bees/0.png"))
    assert f"{part}/bees is a class that train does not have" in message
    assert "did you mean bee?" in message


def test_a_part_may_lack_classes_of_train_and_labels_stay_the_same(tmp_path):
    assert list_images(touch(tmp_path, "train/ant/0.png", "train/bee/0.png", "val/bee/0.png")).splits["val"][1] == [1]


def test_without_some_files_the_others_keep_their_labels(tmp_path):
    found = list_images(touch(tmp_path, *(f"{name}/{number}.png" for name in ("ant", "bee") for number in range(3))))
    bad = {found.paths[place]: "it is broken" for place in (0, 4)}
    left = found.without(bad)
    assert left.paths == [found.paths[place] for place in (1, 2, 3, 5)]
    assert left.splits["train"][1] == [0, 0, 1, 1]
    assert left.skipped == bad
    assert found.without({}) is found


def test_a_class_that_loses_all_its_images_is_named(tmp_path):
    found = list_images(touch(tmp_path, "train/ant/0.png", "train/bee/0.png", "train/bee/1.png", "val/bee/0.png"))
    with pytest.raises(DataError, match=r"the class bee has no image that can be used: no\. 1"):
        found.without({path: f"no. {place}" for place, path in enumerate(found.paths) if 0 < place < 3})


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(names=st.lists(NAMES, min_size=1, max_size=6))
def test_every_visible_file_of_a_class_is_counted_once(tmp_path_factory, names):
    root = touch(tmp_path_factory.mktemp("root"), "ant/0.png", "bee/0.png")
    names_left = set()
    for name in names:
        for suffix in ("", ".png"):
            if len(f"{name}{suffix}".encode()) < 200 and name not in (".", ".."):
                (root / "bee" / f"{name}{suffix}").touch()
                names_left.add(f"{name}{suffix}")
    names_left = {name for name in names_left | {"0.png"} if name[0] != "."}
    found = list_images(root, skip_bad=True)
    images = {Path(path).name for path, label in zip(*found.splits["train"], strict=True) if label == 1}
    assert images | {Path(path).name for path in found.skipped} == names_left
    assert images == {name for name in names_left if name.lower().endswith((".png", ".jpg"))}
