"""When images are decoded once and when each time: what is kept, what is made anew, and what is logged of it."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from fastrun.components.data import store as module
from fastrun.components.data.listing import Listing, list_images
from fastrun.components.data.picture import BadImage, decode
from fastrun.components.data.store import open_store
from fastrun.errors import DataError, StorageError

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def root(tmp_path, fill) -> Path:
    return fill(tmp_path / "photos", 4)


def of(root: Path, keep: bool | None = None, skip_bad: bool = False, side=None):
    return open_store(list_images(root), side, keep, skip_bad)


def same(images, found: Listing, side=None) -> bool:
    return torch.equal(images.pixels, torch.stack([torch.from_numpy(decode(path, side)) for path in found.paths]))


@pytest.mark.parametrize("keep", [True, None])
@pytest.mark.parametrize("side", [None, (4, 5)])
def test_the_second_time_nothing_is_decoded(root, home, logged, keep, side, monkeypatch):
    first = of(root, keep, side=side)
    assert same(first, list_images(root), side)
    assert first.shape == (3, *(side or (6, 6)))
    assert str(home) in first.decoded
    begun, ended = logged()
    assert begun.startswith(f"decoding 8 images of {root}")
    assert "per second" in ended
    monkeypatch.setattr(module, "write", lambda *_: pytest.fail("decoded again"))
    monkeypatch.setattr(module, "decode", lambda *_: pytest.fail("decoded again"))
    again = of(root, keep, side=side)
    assert torch.equal(again.pixels, first.pixels)
    assert logged() == []


def test_each_size_has_a_file_of_its_own(root, home):
    for side in (None, (4, 4), (4, 5), None):
        assert same(of(root, side=side), list_images(root), side)
    assert len(list(home.glob("*.pixels"))) == 3


def test_changed_images_are_decoded_again_into_the_same_file(root, home, paint, logged):
    before = of(root).pixels
    paint(root / "ant/1.png", 99)
    after = of(root).pixels
    assert (before != after).flatten(1).any(1).tolist() == [False, True] + [False] * 6
    paint(root / "ant/9.png", 98)
    assert len(of(root).pixels) == 9
    (root / "bee/0.png").unlink()
    assert len(of(root).pixels) == 8
    assert len(list(home.glob("*.pixels"))) == 1
    assert len(logged()) == 8


def test_a_damaged_file_is_made_anew(root, home, logged):
    of(root)
    (path,) = home.glob("*.pixels")
    path.write_bytes(path.read_bytes()[:-1])
    logged()
    assert same(of(root), list_images(root))
    assert len(logged()) == 2
    assert same(of(root), list_images(root))
    assert logged() == []


def test_asked_to_decode_each_time_it_looks_at_one_image_and_writes_nothing(root, home, monkeypatch):
    seen = []
    monkeypatch.setattr(module, "decode", lambda path, side: seen.append(path) or decode(path, side))
    images = of(root, False)
    assert (images.pixels, images.shape, len(seen)) == (None, (3, 6, 6), 1)
    assert images.decoded == "each time they are needed: data.cache=false"
    assert not home.exists()


def test_without_room_images_are_decoded_each_time_unless_they_are_asked_for(root, home, logged, monkeypatch):
    monkeypatch.setattr("fastrun.system.free_space.free_memory", lambda: 4 * 8 * 108 - 1)
    images = of(root)
    assert images.pixels is None
    assert "more than a quarter of the" in images.decoded
    (line,) = logged()
    assert "data.cache=true decodes them once" in line
    assert same(of(root, True), list_images(root))
    assert same(of(root), list_images(root)), "what is there already needs no room"


def test_asked_for_what_the_disk_cannot_hold_it_says_so(root, monkeypatch):
    monkeypatch.setattr(module, "free_disk", lambda _: 8 * 108 - 1)
    with pytest.raises(StorageError, match=r"data.cache=true: they take .* more than is free in") as caught:
        of(root, True)
    assert "FASTRUN_CACHE" in caught.value.hint
    assert of(root).pixels is None


def test_where_the_folder_cannot_be_written_images_are_decoded_for_this_run_alone(root, home, logged):
    home.write_text("a file where the folder should be")
    images = of(root)
    assert same(images, list_images(root))
    assert images.decoded == "once, for this run alone"
    assert f"{home} cannot be written" in logged()[0]


def test_a_disk_that_fills_up_is_no_end(root, home, logged, monkeypatch):
    def fill_up(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "write", fill_up)
    assert of(root).pixels is None
    assert any("No space left on device" in line for line in logged())
    with pytest.raises(StorageError, match="No space left on device"):
        of(root, True)
    assert not list(home.glob("*.pixels"))


@pytest.mark.parametrize("keep", [True, None])
@pytest.mark.parametrize("place", [0, 5])
def test_a_bad_image_ends_it_before_anything_is_trained(root, home, keep, place):
    path = list_images(root).paths[place]
    Path(path).write_bytes(b"no image")
    with pytest.raises(BadImage, match="cannot be read") as caught:
        of(root, keep)
    assert path in caught.value.message
    assert not list(home.glob("*.pixels"))


@pytest.mark.parametrize("keep", [True, None, False])
def test_bad_images_are_left_out_if_asked_for_and_the_next_time_nothing_is_decoded(
    root, home, keep, logged, monkeypatch
):
    found = list_images(root)
    bad = [found.paths[0], found.paths[5]]
    for path in bad:
        Path(path).write_bytes(b"no image")
    images = of(root, keep, skip_bad=True)
    assert list(images.listing.skipped) == bad
    assert images.listing.paths == [path for path in found.paths if path not in bad]
    assert images.shape == (3, 6, 6)
    assert images.pixels is None if keep is False else same(images, images.listing)
    logged()
    monkeypatch.setattr(module, "write", lambda *_: pytest.fail("decoded again"))
    assert of(root, keep, skip_bad=True).listing == images.listing
    assert logged() == []


def test_kept_without_bad_images_it_still_ends_where_none_may_be(root):
    (root / "bee/1.png").write_bytes(b"no image")
    of(root, skip_bad=True)
    with pytest.raises(BadImage, match=r"bee/1.png cannot be read"):
        of(root)


def test_a_repaired_image_is_back(root, paint):
    (root / "bee/1.png").write_bytes(b"no image")
    assert len(of(root, False, skip_bad=True).listing.paths) == 7
    paint(root / "bee/1.png")
    assert len(of(root, False, skip_bad=True).listing.paths) == 8


@pytest.mark.parametrize("keep", [None, False])
def test_where_no_image_is_good_it_says_so(root, keep):
    for path in list_images(root).paths:
        Path(path).write_bytes(b"no image")
    with pytest.raises(DataError, match="no image below"):
        of(root, keep, skip_bad=True)


@pytest.mark.parametrize("keep", [None, False])
def test_a_class_without_a_good_image_is_named(root, keep):
    for path in root.glob("bee/*"):
        path.write_bytes(b"no image")
    with pytest.raises(DataError, match="the class bee has no image that can be used"):
        of(root, keep, skip_bad=True)


def test_another_shape_is_reported_before_anything_is_trained(root, paint):
    paint(root / "bee/2.png", 0, 6, 7)
    with pytest.raises(DataError, match=r"bee/2.png is 6x7 \(height x width\), but the first image is 6x6"):
        of(root, skip_bad=True)


TWO = """
import sys
from pathlib import Path
import logging
logging.basicConfig(level=logging.INFO, stream=sys.stdout, format="%(message)s")
from fastrun.components.data.listing import list_images
from fastrun.components.data.store import open_store
print("ready", flush=True)
input()
images = open_store(list_images(Path(sys.argv[1])), None, None, False)
print("sum", int(images.pixels.long().sum()))
"""


@pytest.mark.slow
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
    outputs = [run.communicate(timeout=100) for run in runs]
    assert [error for _, error in outputs] == ["", ""]
    lines = "".join(text for text, _ in outputs).splitlines()
    assert sum(line.startswith("decoding 300 images") for line in lines) == 1
    expected = sum(int(decode(path).astype(int).sum()) for path in list_images(root).paths)
    assert [line for line in lines if line.startswith("sum")] == [f"sum {expected}"] * 2
    assert len(list(home.glob("*.pixels"))) == 1
