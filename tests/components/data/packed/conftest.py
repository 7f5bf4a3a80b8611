"""Packs of small data, made once for all tests of a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest


@pytest.fixture(autouse=True)
def home(tmp_path_factory, monkeypatch) -> Path:
    """An empty cache folder."""
    folder = tmp_path_factory.mktemp("home") / "cache"
    monkeypatch.setenv("FASTRUN_CACHE", str(folder))
    return folder


def photos(folder: Path, count: int = 12, height: int = 6, width: int = 6) -> Path:
    """Write a folder of two classes of images that all differ."""
    from PIL import Image

    for label, name in enumerate(("ant", "bee")):
        (folder / "train" / name).mkdir(parents=True)
        for number in range(count):
            pixels = np.random.default_rng(1000 * label + number).integers(0, 256, (height, width, 3), np.uint8)
            Image.fromarray(pixels).save(folder / "train" / name / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def source(tmp_path_factory) -> Path:
    """A folder of images."""
    return photos(tmp_path_factory.mktemp("source") / "photos")


@pytest.fixture(scope="module")
def packed(tmp_path_factory, source: Path) -> Path:
    """A pack of that folder, of several shards."""
    from fastrun.components.data.packed.options import PackOptions
    from fastrun.components.data.packed.pack import pack

    out = tmp_path_factory.mktemp("packed") / "pack"
    pack(source, out, PackOptions(shard_bytes=700, val_fraction=0.25, test_fraction=0.0))
    return out
