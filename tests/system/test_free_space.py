from pathlib import Path

import pytest

from fastrun.system import free_space as room
from fastrun.system import proc

MEBI = 1 << 20


@pytest.fixture
def system(monkeypatch):
    """What the system says of its memory, by file."""
    files: dict[str, str] = {}
    monkeypatch.setattr(proc, "read", lambda path: files.get(path, ""))
    return files


def test_memory_is_what_the_system_says_is_available(system):
    system["/proc/meminfo"] = "MemTotal:       24000 kB\nMemAvailable:    8000 kB\nHugePages_Total:       0\n"
    assert room.free_memory() == 8000 << 10


@pytest.mark.parametrize("file", ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"])
@pytest.mark.parametrize(
    ("limit", "free"), [("1000\n", 1000), ("max\n", 8000 << 10), (f"{2**63 - 4096}\n", 8000 << 10)]
)
def test_a_container_has_no_more_than_its_limit(system, file, limit, free):
    system["/proc/meminfo"] = "MemAvailable:    8000 kB\n"
    system[file] = limit
    assert room.free_memory() == free


def test_where_the_system_says_nothing_it_is_the_memory_there_is(system):
    assert room.free_memory() >= 1 << 28


def test_here_it_is_something():
    assert room.free_memory() > 1 << 20


def test_the_disk_is_that_where_a_folder_would_be(tmp_path):
    assert room.free_disk(tmp_path / "not/yet/there") == pytest.approx(room.free_disk(tmp_path), rel=0.2)
    assert room.free_disk(Path("not/yet/there")) > 0


def test_a_quarter_of_both_may_be_taken(monkeypatch, tmp_path):
    monkeypatch.setattr(room, "free_memory", lambda: 400 * MEBI)
    monkeypatch.setattr(room, "free_disk", lambda _: 800 * MEBI)
    assert room.why_too_large(100 * MEBI, tmp_path) is None
    assert room.fits_memory(100 * MEBI)
    assert not room.fits_memory(101 * MEBI)
    assert room.why_too_large(101 * MEBI, tmp_path) == (
        "they take 101.0 MiB, more than a quarter of the 400.0 MiB of free memory"
    )
    monkeypatch.setattr(room, "free_disk", lambda _: 300 * MEBI)
    assert f"of the 300.0 MiB of free disk at {tmp_path}" in room.why_too_large(100 * MEBI, tmp_path)
