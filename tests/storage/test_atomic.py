"""Files are replaced whole or not at all, and a disk that fails is an error of one line."""

import errno
import hashlib
import os
from types import SimpleNamespace

import pytest

from fastrun.errors import StorageError
from fastrun.storage.atomic import append, check_free_space, remove, replace, sha256_of, storage_errors, write_atomic


def names(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_an_atomic_write_replaces_the_content_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "a.json"
    for text in ("one", "two"):
        write_atomic(path, text)
        assert path.read_text() == text
        assert names(tmp_path) == ["a.json"]


def test_a_file_may_be_read_as_the_users_mask_has_it(tmp_path):
    before = os.umask(0o027)
    try:
        write_atomic(tmp_path / "a.json", "one")
        append(tmp_path / "a.jsonl", "one")
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in tmp_path.iterdir()] == [0o640, 0o640]


def test_a_file_is_hashed_as_it_is_written_in_small_pieces_and_large_ones(tmp_path):
    def write(file) -> None:
        for size in (1, 5000, 3 << 20, 0, 7):
            file.write(os.urandom(size))

    path = tmp_path / "file"
    assert replace(path, write) == hashlib.sha256(path.read_bytes()).hexdigest() == sha256_of(path)
    assert path.stat().st_size == 5008 + (3 << 20)


def test_a_write_that_fails_midway_leaves_the_old_content_and_nothing_else(tmp_path, disk_full_after):
    path = tmp_path / "a.json"
    write_atomic(path, "old")
    with disk_full_after(10_000), pytest.raises(StorageError) as caught:
        write_atomic(path, "new" * 10_000)
    assert caught.value.exit_code == 7
    assert str(path) in caught.value.message
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.json"]


def test_what_does_not_read_back_as_written_does_not_take_the_place(tmp_path, monkeypatch):
    path = tmp_path / "a.json"
    write_atomic(path, "old")
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, bytes(len(data))))
    with pytest.raises(StorageError, match="does not read back as it was written"):
        write_atomic(path, "new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.json"]


def test_appending_goes_on_where_the_system_took_a_part(tmp_path, monkeypatch):
    real = os.write
    monkeypatch.setattr(os, "write", lambda handle, data: real(handle, data[:3]))
    append(tmp_path / "a", "one two ü")
    append(tmp_path / "a", " three")
    assert (tmp_path / "a").read_text() == "one two ü three"


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("ENOSPC", "free some space"),
        ("EDQUOT", "quota"),
        ("EROFS", "mounted"),
        ("EACCES", "writable"),
        ("EPERM", "lsattr"),
        ("EIO", "dmesg"),
        ("ENAMETOOLONG", "outputs="),
    ],
)
def test_a_storage_error_says_in_a_line_what_failed_where_and_what_to_do(tmp_path, name, hint):
    number = getattr(errno, name)
    with pytest.raises(StorageError) as caught, storage_errors(tmp_path):
        raise OSError(number, os.strerror(number), str(tmp_path / "x"))
    assert caught.value.message == f"cannot write {tmp_path / 'x'}: {os.strerror(number)}"
    assert hint in caught.value.hint


def test_what_is_not_there_needs_no_removing_and_what_cannot_be_is_a_storage_error(tmp_path):
    remove(tmp_path / "missing")
    with pytest.raises(StorageError, match="cannot remove"):
        remove(tmp_path)


def test_a_file_needs_the_room_that_a_user_has(tmp_path, monkeypatch):
    disk = SimpleNamespace(f_bavail=10, f_bfree=20, f_frsize=100_000, f_bsize=1, f_blocks=100)
    monkeypatch.setattr(os, "statvfs", lambda path: disk)
    check_free_space(tmp_path / "file", 1_000_000)
    with pytest.raises(StorageError, match=r"file: 1.5 MB needed, 1.0 MB free") as caught:
        check_free_space(tmp_path / "file", 1_500_000)
    assert "free some space" in caught.value.hint
    disk.f_blocks = disk.f_bavail = 0  # what says so does not know
    check_free_space(tmp_path / "file", 1_000_001)


def test_a_folder_that_is_not_there_has_no_room(tmp_path):
    with pytest.raises(StorageError, match="No such file"):
        check_free_space(tmp_path / "missing" / "file", 1)
