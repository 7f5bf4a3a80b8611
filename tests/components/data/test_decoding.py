"""Many images at once: the same by one process and by several, and no process outlives its work."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastrun.components.data import decoding
from fastrun.components.data.decoding import DecodeRequest, DecoderProcess, cores, decode_images
from fastrun.components.data.picture import ImageError
from fastrun.errors import DataError

SHAPE = (3, 6, 6)


@pytest.fixture
def paths(tmp_path, fill) -> list[str]:
    return sorted(map(str, fill(tmp_path / "photos", 12).glob("*/*.png")))


@pytest.fixture(params=[1, 2, 3])
def count(request, monkeypatch) -> int:
    """How many processes there are."""
    monkeypatch.setattr(decoding, "cores", lambda: request.param)
    monkeypatch.setattr(decoding, "MIN_IMAGES_PER_PROCESS", 1)
    return request.param


@pytest.fixture
def started(monkeypatch) -> list[DecoderProcess]:
    """The processes that are started."""
    found: list[DecoderProcess] = []

    class Noted(DecoderProcess):
        def __init__(self) -> None:
            super().__init__()
            found.append(self)

    monkeypatch.setattr(decoding, "DecoderProcess", Noted)
    return found


@pytest.fixture
def file(tmp_path) -> Path:
    (tmp_path / "pixels").touch()
    return tmp_path / "pixels"


def test_any_number_of_processes_writes_the_same(paths, file, count, started):
    counts: list[int] = []
    result = decode_images(DecodeRequest(paths, None, SHAPE, False), file, counts.append)
    assert len(started) == (count if count > 1 else 0)
    assert all(process.child.returncode is not None for process in started)
    found = file.read_bytes()
    again = decode_images(DecodeRequest(paths, None, SHAPE, False), None, counts.append)
    assert again == result
    assert len(found) == len(paths) * 3 * 6 * 6
    assert len(result.sums) == len(set(result.sums)) == len(paths)
    assert sum(counts) == 2 * len(paths)
    decode_images(DecodeRequest(paths[::-1], None, SHAPE, False), file, counts.append)
    assert file.read_bytes()[: 3 * 6 * 6] == found[-3 * 6 * 6 :]


def test_bad_images_are_reported_by_their_index(paths, count):
    for place in (3, 20, 21):
        Path(paths[place]).write_bytes(b"no image")
    result = decode_images(DecodeRequest(paths, None, SHAPE, True), None, lambda _: None)
    assert [place for place, _ in result.bad] == [3, 20, 21]
    assert all(paths[place] in why for place, why in result.bad)


def test_a_bad_image_ends_all_processes_and_is_named(paths, count, started):
    Path(paths[5]).write_bytes(b"no image")
    with pytest.raises(ImageError) as caught:
        decode_images(DecodeRequest(paths, None, SHAPE, False), None, lambda _: None)
    assert paths[5] in caught.value.message
    assert "skip_bad" in caught.value.hint
    assert all(process.child.returncode is not None for process in started)


def test_what_interrupts_it_ends_all_processes(paths, count, started):
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decode_images(DecodeRequest(paths, None, SHAPE, False), None, interrupt)
    assert all(process.child.returncode is not None for process in started)


def test_a_file_that_cannot_be_written_is_an_error_of_the_system(paths, tmp_path, count):
    with pytest.raises(FileNotFoundError) as caught:
        decode_images(DecodeRequest(paths, None, SHAPE, False), tmp_path / "nowhere", lambda _: None)
    assert caught.value.filename == str(tmp_path / "nowhere")


@pytest.mark.parametrize("when", ["before", "ended"])
def test_a_process_that_was_killed_is_reported(paths, when):
    process = DecoderProcess()
    if when == "ended":
        process.stop()
    else:
        os.kill(process.child.pid, signal.SIGKILL)
    (task, *_) = DecodeRequest(paths, None, SHAPE, False).tasks(None)
    with pytest.raises(DataError, match=r"was ended \(exit code -9\)") as caught:
        process(task)
    assert "data.cache=false" in caught.value.hint
    process.stop()


def test_a_handful_of_images_starts_no_process(paths, started):
    decode_images(DecodeRequest(paths, None, SHAPE, False), None, lambda _: None)
    assert started == []
    assert cores() >= 1


def test_the_process_imports_this_package_wherever_the_caller_has_it_from(monkeypatch):
    monkeypatch.delenv("PYTHONPATH", raising=False)
    environments = []
    popen = subprocess.Popen
    monkeypatch.setattr(
        subprocess, "Popen", lambda *args, **more: environments.append(more["env"]) or popen(*args, **more)
    )
    DecoderProcess().stop()
    (environment,) = environments
    assert Path(environment["PYTHONPATH"], "fastrun", "__init__.py").is_file()


@given(st.integers(1, 3000), st.integers(1, 400), st.integers(1, 400))
def test_tasks_are_all_of_the_images_in_order_and_of_bounded_size(count, height, width):
    job = DecodeRequest([str(number) for number in range(count)], None, (3, height, width), False)
    tasks, row = job.tasks(Path("pixels")), 3 * height * width
    assert [path for task in tasks for path in task.paths] == job.paths
    low = 0
    for task in tasks:
        assert task.offset == low * row
        assert len(task.paths) == 1 or len(task.paths) * row <= 8 << 20
        low += len(task.paths)
    assert len(tasks) >= min(count, 8)
