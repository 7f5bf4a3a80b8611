"""When images are decoded once and when each time: what is kept, what is made anew, and what is said of it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fastrun.data import store as module
from fastrun.data.listing import Listing, listed
from fastrun.data.picture import BadImage, decode
from fastrun.data.store import store
from fastrun.errors import DataError, StorageError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def root(tmp_path, fill) -> Path:
    return fill(tmp_path / "photos", 4)


def of(root: Path, keep: bool | None = None, skip_bad: bool = False, side=None):
    return store(listed(root), side, keep, skip_bad)


def same(images, found: Listing, side=None) -> bool:
    return torch.equal(images.pixels, torch.stack([torch.from_numpy(decode(path, side)) for path in found.paths]))


@pytest.mark.parametrize("keep", [True, None])
@pytest.mark.parametrize("side", [None, (4, 5)])
def test_the_second_time_nothing_is_decoded(root, home, said, keep, side, monkeypatch):
    first = of(root, keep, side=side)
    assert same(first, listed(root), side)
    assert first.shape == (3, *(side or (6, 6)))
    assert str(home) in first.how
    begun, ended = said()
    assert begun.startswith(f"decoding 8 images of {root}")
    assert "a second" in ended
    monkeypatch.setattr(module, "write", lambda *_: pytest.fail("decoded again"))
    monkeypatch.setattr(module, "decode", lambda *_: pytest.fail("decoded again"))
    again = of(root, keep, side=side)
    assert torch.equal(again.pixels, first.pixels)
    assert said() == []


def test_each_size_has_a_file_of_its_own(root, home):
    for side in (None, (4, 4), (4, 5), None):
        assert same(of(root, side=side), listed(root), side)
    assert len(list(home.glob("*.pixels"))) == 3


def test_changed_images_are_decoded_again_into_the_same_file(root, home, paint, said):
    before = of(root).pixels
    paint(root / "ant/1.png", 99)
    after = of(root).pixels
    assert (before != after).flatten(1).any(1).tolist() == [False, True] + [False] * 6
    paint(root / "ant/9.png", 98)
    assert len(of(root).pixels) == 9
    (root / "bee/0.png").unlink()
    assert len(of(root).pixels) == 8
    assert len(list(home.glob("*.pixels"))) == 1
    assert len(said()) == 8


def test_a_damaged_file_is_made_anew(root, home, said):
    of(root)
    (path,) = home.glob("*.pixels")
    path.write_bytes(path.read_bytes()[:-1])
    said()
    assert same(of(root), listed(root))
    assert len(said()) == 2
    assert same(of(root), listed(root))
    assert said() == []


def test_asked_to_decode_each_time_it_looks_at_one_image_and_writes_nothing(root, home, monkeypatch):
    seen = []
    monkeypatch.setattr(module, "decode", lambda path, side: seen.append(path) or decode(path, side))
    images = of(root, False)
    assert (images.pixels, images.shape, len(seen)) == (None, (3, 6, 6), 1)
    assert images.how == "each time they are needed: data.cache=false"
    assert not home.exists()


def test_without_room_images_are_decoded_each_time_unless_they_are_asked_for(root, home, said, monkeypatch):
    monkeypatch.setattr("fastrun.data.room.free_memory", lambda: 4 * 8 * 108 - 1)
    images = of(root)
    assert images.pixels is None
    assert "more than a quarter of the" in images.how
    (line,) = said()
    assert "data.cache=true decodes them once" in line
    assert same(of(root, True), listed(root))
    assert same(of(root), listed(root)), "what is there already needs no room"


def test_asked_for_what_the_disk_cannot_hold_it_says_so(root, monkeypatch):
    monkeypatch.setattr(module, "free_disk", lambda _: 8 * 108 - 1)
    with pytest.raises(StorageError, match=r"data.cache=true: they take .* more than is free in") as caught:
        of(root, True)
    assert "FASTRUN_CACHE" in caught.value.hint
    assert of(root).pixels is None


def test_where_the_folder_cannot_be_written_images_are_decoded_for_this_run_alone(root, home, said):
    home.write_text("a file where the folder should be")
    images = of(root)
    assert same(images, listed(root))
    assert images.how == "once, for this run alone"
    assert f"{home} cannot be written" in said()[0]


def test_a_disk_that_fills_up_is_no_end(root, home, said, monkeypatch):
    def fill_up(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "write", fill_up)
    assert of(root).pixels is None
    assert any("No space left on device" in line for line in said())
    with pytest.raises(StorageError, match="No space left on device"):
        of(root, True)
    assert not list(home.glob("*.pixels"))


@pytest.mark.parametrize("keep", [True, None])
@pytest.mark.parametrize("place", [0, 5])
def test_a_bad_image_ends_it_before_anything_is_trained(root, home, keep, place):
    path = listed(root).paths[place]
    Path(path).write_bytes(b"no image")
    with pytest.raises(BadImage, match="cannot be read") as caught:
        of(root, keep)
    assert path in caught.value.message
    assert not list(home.glob("*.pixels"))


@pytest.mark.parametrize("keep", [True, None, False])
def test_bad_images_are_left_out_if_asked_for_and_the_next_time_nothing_is_decoded(root, home, keep, said, monkeypatch):
    found = listed(root)
    bad = [found.paths[0], found.paths[5]]
    for path in bad:
        Path(path).write_bytes(b"no image")
    images = of(root, keep, skip_bad=True)
    assert list(images.found.skipped) == bad
    assert images.found.paths == [path for path in found.paths if path not in bad]
    assert images.shape == (3, 6, 6)
    assert images.pixels is None if keep is False else same(images, images.found)
    said()
    monkeypatch.setattr(module, "write", lambda *_: pytest.fail("decoded again"))
    assert of(root, keep, skip_bad=True).found == images.found
    assert said() == []


def test_kept_without_bad_images_it_still_ends_where_none_may_be(root):
    (root / "bee/1.png").write_bytes(b"no image")
    of(root, skip_bad=True)
    with pytest.raises(BadImage, match=r"bee/1.png cannot be read"):
        of(root)


def test_a_repaired_image_is_back(root, paint):
    (root / "bee/1.png").write_bytes(b"no image")
    assert len(of(root, False, skip_bad=True).found.paths) == 7
    paint(root / "bee/1.png")
    assert len(of(root, False, skip_bad=True).found.paths) == 8


@pytest.mark.parametrize("keep", [None, False])
def test_where_no_image_is_good_it_says_so(root, keep):
    for path in listed(root).paths:
        Path(path).write_bytes(b"no image")
    with pytest.raises(DataError, match="no image below"):
        of(root, keep, skip_bad=True)


@pytest.mark.parametrize("keep", [None, False])
def test_a_class_without_a_good_image_is_named(root, keep):
    for path in root.glob("bee/*"):
        path.write_bytes(b"no image")
    with pytest.raises(DataError, match="the class bee has no image that can be used"):
        of(root, keep, skip_bad=True)


def test_another_shape_is_told_before_anything_is_trained(root, paint):
    paint(root / "bee/2.png", 0, 6, 7)
    with pytest.raises(DataError, match=r"bee/2.png is 6x7 \(height x width\), but the first image 6x6"):
        of(root, skip_bad=True)


TWO = """
import sys
from pathlib import Path
import logging
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
from fastrun.data.listing import listed
from fastrun.data.store import store
print("ready", flush=True)
input()
images = store(listed(Path(sys.argv[1])), None, None, False)
print("sum", int(images.pixels.long().sum()))
"""


def test_of_two_runs_that_start_at_once_one_decodes_and_both_have_the_images(tmp_path, fill, home):
    root = fill(tmp_path / "many", 150)
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    runs = [
        subprocess.Popen(
            [sys.executable, "-c", TWO, str(root)], env=environment, stdin=-1, stdout=-1, stderr=-1, text=True
        )
        for _ in range(2)
    ]
    for run in runs:
        assert run.stdout.readline() == "ready\n", run.stderr.read()
    for run in runs:
        run.stdin.write("\n")
        run.stdin.flush()
    told = [run.communicate(timeout=100) for run in runs]
    assert [error for _, error in told] == ["", ""]
    lines = "".join(text for text, _ in told).splitlines()
    assert sum(line.startswith("decoding 300 images") for line in lines) == 1
    expected = sum(int(decode(path).astype(int).sum()) for path in listed(root).paths)
    assert [line for line in lines if line.startswith("sum")] == [f"sum {expected}"] * 2
    assert len(list(home.glob("*.pixels"))) == 1
