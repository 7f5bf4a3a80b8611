"""Lines over steps, as text and as a picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fastrun.report.plot.line_chart import Line, LineChart, format_tick, round_ticks
from fastrun.report.plot.line_picture import save_lines
from fastrun.report.plot.line_text import render_lines

STEPS = [float(step) for step in range(1, 101)]
RISING = Line("rising", STEPS, [step / 100 for step in STEPS])
FLAT = Line("flat", STEPS, [0.2] * 100)


@pytest.mark.parametrize(("width", "height"), [(80, 16), (30, 7), (120, 20)])
def test_the_text_is_as_wide_and_high_as_there_is_room(width: int, height: int) -> None:
    lines = render_lines(LineChart("steps", "val/acc", [RISING], 0.5), width, height, has_colors=False).splitlines()
    assert len(lines) == height + 1
    assert max(map(len, lines[:-1])) <= width
    assert lines[-1] == "val/acc over steps; dotted: target 0.5"
    assert any("⠁" <= mark <= "⣿" for mark in "".join(lines))


def test_without_colors_letters_tell_lines_apart() -> None:
    text = render_lines(LineChart("steps", "val/acc", [RISING, FLAT, FLAT]), 60, 12, has_colors=False)
    drawn, _, legend = text.partition("val/acc over steps")
    assert "a" in drawn
    assert "b" in drawn
    assert legend.split("\n")[1:] == ["a: rising", "b: flat"]
    assert "\033[94m━━\033[0m rising" in render_lines(LineChart("steps", "y", [RISING, FLAT]), 60, 12, True)


@pytest.mark.parametrize("ys", [[3.0], [-1.0], [0.0, 0.0], [1e-12, 1e12]])
def test_single_points_and_extremes_are_drawn(tmp_path: Path, ys: list[float]) -> None:
    chart = LineChart("steps", "train/loss", [Line("one", STEPS[: len(ys)], ys)])
    assert "one" not in render_lines(chart, 60, 10, has_colors=False)
    save_lines(chart, tmp_path / "a.png")


def test_a_loss_that_falls_by_much_has_a_logarithmic_axis() -> None:
    falling = Line("one", STEPS, [10.0**-power for power in np.linspace(0, 4, 100)])
    rows = render_lines(LineChart("steps", "train/loss", [falling]), 60, 14, has_colors=False).splitlines()
    labels = {row.partition("┤")[0].strip() for row in rows if "┤" in row}
    assert labels == {"1", "0.1", "0.01", "0.001", "0.0001"}
    assert not LineChart("steps", "val/acc", [falling]).is_log


def test_the_picture_has_a_color_for_each_name(tmp_path: Path) -> None:
    chart = LineChart("steps", "val/acc", [RISING, FLAT], 0.5)
    save_lines(chart, tmp_path / "a.png")
    picture = np.asarray(Image.open(tmp_path / "a.png").convert("RGB")).astype(int)
    for color in ((0x1F, 0x5F, 0xBF), (0xC2, 0x41, 0x0C)):
        assert (abs(picture - color).sum(2) < 110).sum() > 100


def test_ticks_are_round_and_few() -> None:
    assert round_ticks(0, 100, 5) == [0, 25, 50, 75, 100]
    assert round_ticks(0.013, 0.984, 4) == [0.2, 0.4, 0.6, 0.8]
    assert all(len(round_ticks(0, 10.0**power, 4)) in (2, 3, 4) for power in range(-12, 13))
    assert [format_tick(value) for value in (0.25, 1500, 20000, 1.5e6, -3e9)] == ["0.25", "1,500", "20k", "1.5M", "-3G"]
