"""The file of decoded images: what it holds, when it may not be used, and that nothing half done is ever read."""

from __future__ import annotations

import json
import mmap
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor

from fastrun.components.data import cache as module
from fastrun.components.data.cache import cache_key, file_name, load, lock, write
from fastrun.components.data.decoding import DecodeRequest
from fastrun.components.data.listing import Listing, list_images
from fastrun.components.data.picture import ImageError, decode

pytestmark = pytest.mark.slow

SHAPE = (3, 6, 6)
COUNT = 12


@pytest.fixture
def found(tmp_path, fill) -> Listing:
    return list_images(fill(tmp_path / "photos", COUNT // 2))


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "it.pixels"


def write_cache(path: Path, found: Listing, pixels: bool = True, skip_bad: bool = True) -> Path:
    write(path, "the key", DecodeRequest(found.paths, None, SHAPE, skip_bad), pixels, lambda _: None)
    return path


def expected(paths: list[str]) -> Tensor:
    return torch.stack([torch.from_numpy(decode(path)) for path in paths])


def test_the_pixels_come_back_in_the_order_of_the_files(path, found):
    kept = load(write_cache(path, found), "the key", found.paths)
    assert torch.equal(kept.pixels, expected(found.paths))
    assert kept.bad == {}
    assert [one.name for one in path.parent.glob("*.pixels*")] == ["it.pixels"]


def test_images_that_were_only_tried_leave_a_small_file(path, found):
    Path(found.paths[3]).write_bytes(b"no image")
    kept = load(write_cache(path, found, pixels=False), "the key", found.paths)
    assert kept.pixels is None
    assert list(kept.bad) == [found.paths[3]]
    assert path.stat().st_size < 500


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bad=st.sets(st.integers(0, COUNT - 1)), moved=st.integers(1, 400))
def test_bad_images_leave_no_gaps(path, fill, tmp_path_factory, bad, moved):
    found = list_images(fill(tmp_path_factory.mktemp("photos"), COUNT // 2))
    left = [name for place, name in enumerate(found.paths) if place not in bad]
    for place in bad:
        Path(found.paths[place]).write_bytes(b"no image")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "COPY_BYTES", moved)
        kept = load(write_cache(path, found), "the key", found.paths)
    assert set(kept.bad) == {found.paths[place] for place in bad}
    assert kept.pixels is None if not left else torch.equal(kept.pixels, expected(left))


def test_writing_to_the_pixels_changes_no_file(path, found):
    load(write_cache(path, found), "the key", found.paths).pixels.zero_()
    assert torch.equal(load(path, "the key", found.paths).pixels, expected(found.paths))


def test_more_than_the_memory_can_copy_is_mapped_to_be_read(path, found, monkeypatch):
    def refuse(*arguments: object, access: int) -> mmap.mmap:
        if access == mmap.ACCESS_COPY:
            raise OSError(12, "Cannot allocate memory")
        return mmap_of(*arguments, access=access)

    mmap_of = mmap.mmap
    monkeypatch.setattr(mmap, "mmap", refuse)
    assert torch.equal(load(write_cache(path, found), "the key", found.paths).pixels, expected(found.paths))


@pytest.mark.parametrize("damage", ["cut short", "nonsense", "empty", "a pixel", "a folder", "gone", "longer", "said"])
def test_a_damaged_file_is_not_used(path, found, damage):
    data = write_cache(path, found).read_bytes()
    path.unlink()
    if damage == "a folder":
        path.mkdir()
    elif damage != "gone":
        changed = bytes([data[50] ^ 1])
        said = data.index(b'"sums"')
        path.write_bytes(
            {
                "cut short": data[:-100],
                "nonsense": b"x" * 999,
                "empty": b"",
                "a pixel": data[:50] + changed + data[51:],
                "longer": data + b"x",
                "said": data[:said] + b'"some"' + data[said + 6 :],
            }[damage]
        )
    assert load(path, "the key", found.paths) is None


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_no_bit_may_change(path, found, place, bit):
    data = bytearray(write_cache(path, found).read_bytes())
    data[place % len(data)] ^= 1 << bit
    path.write_bytes(data)
    assert load(path, "the key", found.paths) is None


def test_of_other_images_it_is_not_used(path, found):
    write_cache(path, found)
    assert load(path, "another key", found.paths) is None
    assert load(path, "the key", found.paths[1:]) is None


def test_of_very_many_pixels_some_are_checked_all_over_the_file(path, found, monkeypatch):
    data = bytearray(write_cache(path, found).read_bytes())
    monkeypatch.setattr(module, "CHECKED_BYTES", COUNT * 3 * 6 * 6 // 4)
    for image in (0, 4, 8):
        changed = bytearray(data)
        changed[image * 3 * 6 * 6] ^= 1
        path.write_bytes(changed)
        assert load(path, "the key", found.paths) is None
    data[1 * 3 * 6 * 6] ^= 1
    path.write_bytes(data)
    assert load(path, "the key", found.paths) is not None


def test_what_ends_it_leaves_no_file(path, found):
    Path(found.paths[3]).write_bytes(b"no image")
    with pytest.raises(ImageError):
        write_cache(path, found, skip_bad=False)
    assert not list(path.parent.glob("*.pixels*"))
    assert not list(path.parent.glob(".*"))


def test_one_that_is_in_use_may_be_replaced(path, found, paint):
    before = load(write_cache(path, found), "the key", found.paths).pixels
    first = before.clone()
    paint(Path(found.paths[0]), 77)
    after = load(write_cache(path, found), "the key", found.paths).pixels
    assert torch.equal(before, first)
    assert not torch.equal(before, after)


def test_the_key_follows_names_sizes_times_modes_and_the_side(found):
    def key() -> str:
        return cache_key(list_images(found.root), None)

    seen = {key(), cache_key(found, (6, 6)), cache_key(found, (6, 5))}
    first = Path(found.paths[0])
    os.utime(first, ns=(0, 1))
    seen.add(key())
    first.chmod(0o600)
    seen.add(key())
    first.write_bytes(first.read_bytes() + b"x")
    os.utime(first, ns=(0, 1))
    seen.add(key())
    first.rename(first.with_name("another.png"))
    seen.add(key())
    first.with_name("link.png").symlink_to("nowhere")
    seen.add(key())
    assert len(seen) == 8
    assert key() == key()


def test_the_same_files_have_the_same_key_wherever_they_lie_in_the_parts_alone(found, tmp_path):
    before = cache_key(found, None)
    found.root.rename(tmp_path / "moved")
    assert cache_key(list_images(tmp_path / "moved"), None) == before
    both = replace(found, root=tmp_path / "moved", splits={"val": found.splits["train"]})
    assert cache_key(both, None) != before


def test_the_name_is_of_the_folder_and_the_side_however_it_is_written(found, monkeypatch):
    monkeypatch.chdir(found.root)
    assert file_name(list_images(Path()), None, True) == file_name(found, None, True)
    names = {file_name(found, side, pixels) for side in (None, (6, 6), (6, 5)) for pixels in (True, False)}
    assert len(names) == 6
    assert all(name.startswith("photos-") for name in names)
    assert len({name.rpartition(".")[2] for name in names}) == 2


def test_a_lock_clears_away_what_was_left_by_what_was_killed(path):
    for left in (".it.pixels.123", ".it.pixels.4"):
        (path.parent / left).touch()
    other = path.parent / ".other.pixels.5"
    other.touch()
    with lock(path):
        assert sorted(one.name for one in path.parent.glob(".*")) == [".it.pixels.lock", ".other.pixels.5"]


def test_a_lock_is_held_by_one_at_a_time(path):
    import fcntl

    with lock(path), path.with_name(".it.pixels.lock").open() as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with lock(path):
        pass


def test_what_is_said_of_the_pixels_is_plain(path, found):
    data = write_cache(path, found).read_bytes()
    text = data[COUNT * 3 * 6 * 6 : -module.TRAILER.size]
    assert json.loads(text).keys() == {"key", "shape", "bad", "sums"}
