"""The chart of a search, as text and as a picture."""

from __future__ import annotations

from dataclasses import replace
from math import inf
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastrun.report.plot.chart import Chart, decades, finite
from fastrun.report.plot.picture import save_chart
from fastrun.report.plot.terminal import render_chart

RATES = [10.0**exponent for exponent in range(-6, 2)]
CHART = Chart(
    x_name="optimizer.lr",
    y_name="loss",
    lines=[(RATES, [2.0, 2.0, 1.8, 1.4, 1.0, 0.6, 0.8, 9.0])],
    lines_name="range tests",
    points=([1e-3, 1e-2], [0.5, 0.2]),
    points_name="short runs",
    mark=1e-2,
    mark_name="suggestion",
    bottom=0.0,
    top=2.4,
    ticks=decades(1e-6, 10),
)


def test_the_text_has_the_line_the_points_and_the_decades(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    lines = render_chart(CHART).splitlines()
    assert max(map(len, lines[:-1])) <= 60
    assert sum(line.count("o") for line in lines[:-1]) == 2
    assert any("⠁" <= mark <= "⣿" for mark in "".join(lines))
    assert {"1e-06", "0.001", "0.1"} <= set(lines[-2].split())
    assert lines[-1] == "loss over optimizer.lr; line: range tests; o: short runs"
    assert lines[0].startswith("2.4┤")


def test_a_single_point_and_equal_losses_are_drawn(tmp_path: Path) -> None:
    flat = replace(CHART, lines=[], lines_name="", points=([3.0], [1.0]), bottom=1.0, top=1.0, ticks=[3.0])
    assert render_chart(flat).count("o") > 1
    save_chart(replace(flat, mark=0.0), tmp_path / "a.png")


def test_the_picture_shows_line_points_and_suggestion(tmp_path: Path) -> None:
    save_chart(CHART, tmp_path / "a.png")
    picture = np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).astype(int)
    assert picture.shape == (504, 900, 3)
    assert (abs(picture - (0xC2, 0x41, 0x0C)).sum(2) < 30).sum() > 50


def test_infinite_losses_are_left_out_and_few_decades_are_marked() -> None:
    assert finite([(1.0, 2.0), (2.0, inf)]) == ([1.0], [2.0])
    assert decades(2e-3, 5e-1) == [1e-2, 1e-1]
    assert len(decades(1e-12, 1e6)) <= 8
