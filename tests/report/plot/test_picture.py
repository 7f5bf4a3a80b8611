from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastrun.errors import StorageError, UsageError
from fastrun.report.plot.curves import PlottedCurve
from fastrun.report.plot.picture import save, unused_path

CURVE = PlottedCurve(
    "one", {"rise": 0.3, "momentum": None}, 10.0, [0.0, 5.0, 10.0], [0.0, 1.0, 0.0], [0.9, 0.8, 0.9], "a note"
)


@pytest.mark.parametrize(("count", "across", "down"), [(1, 1, 1), (5, 5, 1), (13, 5, 3)])
def test_there_is_a_panel_for_each_curve(tmp_path: Path, count: int, across: int, down: int) -> None:
    save([CURVE] * count, tmp_path / "a.png")
    picture = np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).astype(int)
    height, width, _ = picture.shape
    assert width == pytest.approx(372 * across + 36, abs=2)
    assert height == pytest.approx(288 * down + 72, abs=2)
    blue = (abs(picture - (0x1F, 0x5F, 0xBF)).sum(2) < 30).sum()
    orange = (abs(picture - (0xC2, 0x41, 0x0C)).sum(2) < 30).sum()
    assert blue / count > orange / count > 50


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    taken = tmp_path / "a.png"
    taken.write_text("mine")
    with pytest.raises(UsageError, match="already exists"):
        save([CURVE], taken)
    assert taken.read_text() == "mine"
    assert unused_path(taken) == tmp_path / "a-2.png"
    (tmp_path / "a-2.png").touch()
    assert unused_path(taken) == tmp_path / "a-3.png"
    assert unused_path(tmp_path / "b.png") == tmp_path / "b.png"


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="nowhere"):
        save([CURVE], tmp_path / "nowhere/a.png")
