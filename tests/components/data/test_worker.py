"""A process that decodes: what it writes, what it answers, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
import zlib
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from fastrun.components.data.picture import BadImage, ImageError
from fastrun.components.data.worker import DecodeResult, DecodeTask, respond, run_task

ROW = 3 * 6 * 6


def task(paths: list[Path], file: Path | None = None, offset: int = 0, skip_bad: bool = False, side=None) -> DecodeTask:
    return DecodeTask([str(path) for path in paths], side, (3, 6, 6), skip_bad, file and str(file), offset)


@pytest.fixture
def paths(tmp_path, fill) -> list[Path]:
    return sorted(fill(tmp_path, 3).glob("*/*.png"))


def pixels_of(paths: list[Path]) -> np.ndarray:
    from fastrun.components.data.picture import decode

    return np.stack([decode(str(path)) for path in paths])


def test_pixels_go_where_they_belong_and_nowhere_else(tmp_path, paths):
    file = tmp_path / "pixels"
    file.write_bytes(b"\7" * 8 * ROW)
    result = run_task(task(paths, file, ROW))
    expected = pixels_of(paths)
    assert file.read_bytes() == b"\7" * ROW + expected.tobytes() + b"\7" * ROW
    assert result == DecodeResult([zlib.crc32(image.tobytes()) for image in expected], [])


def test_a_bad_image_ends_it_or_is_noted(tmp_path, paths):
    paths[2].write_bytes(b"no image")
    file = tmp_path / "pixels"
    file.touch()
    with pytest.raises(BadImage, match=paths[2].name):
        run_task(task(paths, file))
    result = run_task(task(paths, file, skip_bad=True))
    assert [place for place, _ in result.bad] == [2]
    assert f"{paths[2]} cannot be read" in result.bad[0][1]
    assert file.read_bytes()[2 * ROW : 3 * ROW] == bytes(ROW)


def test_another_shape_ends_it_even_where_bad_images_are_left_out(paths, paint):
    paint(paths[1], 0, 6, 7)
    with pytest.raises(ImageError, match="is 6x7"):
        run_task(task(paths, skip_bad=True))


def test_an_answer_is_what_was_done_as_text(paths):
    request = task(paths, side=(6, 6))
    response = respond(json.dumps(asdict(request)).encode())
    assert DecodeResult(**json.loads(json.dumps(response))) == run_task(request)


def test_an_error_is_an_answer_too(tmp_path, paths):
    response = respond(json.dumps(asdict(task(paths, tmp_path / "nowhere/pixels"))).encode())
    assert response["system"][1:] == ["No such file or directory", str(tmp_path / "nowhere/pixels")]
    paths[0].write_bytes(b"")
    message, hint = respond(json.dumps(asdict(task(paths))).encode())["image"]
    assert "cannot be read" in message
    assert "skip_bad" in hint


def test_the_process_starts_without_torch_and_ends_with_its_input(paths):
    request = json.dumps(asdict(task(paths))) + "\n"
    code = (
        "import sys; from fastrun.components.data import worker; worker.main();"
        "print('torch' in sys.modules or 'rich' in sys.modules)"
    )
    response = subprocess.run(
        [sys.executable, "-c", code], input=request * 2, capture_output=True, text=True, check=True
    )
    *answers, heavy = response.stdout.splitlines()
    assert [json.loads(line) for line in answers] == [asdict(run_task(task(paths)))] * 2
    assert heavy == "False"
