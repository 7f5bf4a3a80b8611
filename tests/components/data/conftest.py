"""Small images in folders, and a cache folder that is not the user's."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

Paint = Callable[..., np.ndarray]
Fill = Callable[..., Path]
Logged = Callable[[], list[str]]


@pytest.fixture(autouse=True)
def home(tmp_path_factory, monkeypatch) -> Path:
    """An empty cache folder, which is made when it is needed."""
    folder = tmp_path_factory.mktemp("home") / "cache"
    monkeypatch.setenv("FASTRUN_CACHE", str(folder))
    return folder


@pytest.fixture
def paint() -> Paint:
    """Write an image and return its pixels, which a lossless format keeps."""
    image = pytest.importorskip("PIL.Image")

    def write(path: Path, seed: int = 0, height: int = 6, width: int = 6) -> np.ndarray:
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
        image.fromarray(pixels).save(path)
        return pixels

    return write


@pytest.fixture
def fill(paint: Paint) -> Fill:
    """Write a folder a class of images that all differ."""

    def write(folder: Path, count: int = 10, classes: tuple[str, ...] = ("ant", "bee"), suffix: str = "png") -> Path:
        for label, name in enumerate(classes):
            for number in range(count):
                paint(folder / name / f"{number}.{suffix}", 1000 * label + number)
        return folder

    return write


class Listener(logging.Handler):
    """Keeps what is logged."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@pytest.fixture
def logged() -> Iterator[Logged]:
    """What was logged since it was asked last."""
    log, listener = logging.getLogger("fastrun"), Listener()
    before = log.level
    log.setLevel(logging.INFO)  # clears what it remembers of its levels, too
    log.addHandler(listener)

    def lines() -> list[str]:
        found, listener.lines = listener.lines, []
        return found

    yield lines
    log.removeHandler(listener)
    log.setLevel(before)
