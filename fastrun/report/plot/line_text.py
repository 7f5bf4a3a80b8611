"""Lines over steps, seconds or samples as text for the terminal."""

from __future__ import annotations

from collections.abc import Callable
from itertools import cycle
from math import log10
from typing import Any

from fastrun.report.plot.line_chart import LineChart, format_tick, round_ticks
from fastrun.report.plot.terminal import new_figure

COLORS = "blue+", "red+", "green+", "magenta+", "cyan+", "yellow+"
_ANSI = dict(zip(COLORS, (94, 91, 92, 95, 96, 93), strict=True))
_LETTERS = "abcdefghijklmnopqrstuvwxyz"  # which tell lines apart where there are no colors
_TICK_WIDTH, _TICK_HEIGHT = 14, 4  # characters and lines from one number of an axis to the next, at least


def render_lines(chart: LineChart, width: int, height: int, has_colors: bool) -> str:
    """Return a chart as text, without a legend where there is one line.

    Args:
        chart: the chart.
        width: its characters from left to right.
        height: its lines, without those of the caption and the legend.
        has_colors: whether lines are told apart by colors; otherwise by letters.
    """
    import plotext

    figure = new_figure(plotext, width, height)
    marks = _marks(chart, has_colors)
    height_of: Callable[[float], float] = log10 if chart.is_log else float
    if chart.mark is not None:
        level = [height_of(chart.mark)] * 2
        figure.draw(figure.signal(list(chart.x_range), level, marker=plotext.marker("·", "white")).lines())
    for line in reversed(chart.lines):  # the first is drawn last, above the others
        marker, color = marks[line.name]
        drawn = figure.signal(line.xs, list(map(height_of, line.ys)), marker=plotext.marker(marker, color))
        figure.draw(drawn.lines() if len(line.xs) > 1 else drawn)
    low, high = chart.x_range
    _label(figure.ruler("x"), (low, high), round_ticks(low, high, max(2, width // _TICK_WIDTH)), float)
    low, high = chart.y_range
    ticks = chart.y_ticks or round_ticks(low, high, max(2, height // _TICK_HEIGHT + 1))
    _label(figure.ruler("y"), (low, high), ticks, height_of)
    drawn_text = figure.build().string(colorless=not has_colors).rstrip()
    return "\n".join([drawn_text, *_caption(chart, marks, has_colors)])


def _marks(chart: LineChart, has_colors: bool) -> dict[str, tuple[str, str]]:
    """Return the marker and the color of each line, by its name."""
    letters = cycle("" if has_colors or len(chart.names) == 1 else _LETTERS)
    return {name: (next(letters, "braille"), color) for name, color in zip(chart.names, cycle(COLORS), strict=False)}


def _label(ruler: Any, ends: tuple[float, float], ticks: list[float], place: Callable[[float], float]) -> None:
    ruler.lim(*map(place, ends)).ticks(list(map(place, ticks)), list(map(format_tick, ticks)))


def _caption(chart: LineChart, marks: dict[str, tuple[str, str]], has_colors: bool) -> list[str]:
    """Return the lines that name the axes and, where there are several lines, each of them."""
    mark = "" if chart.mark is None else f"; dotted: {chart.mark_name} {chart.mark:g}"
    lines = [f"{chart.y_name} over {chart.x_name}{mark}"]
    if len(marks) > 1:
        for name, (marker, color) in marks.items():
            sign = f"\033[{_ANSI[color]}m━━\033[0m" if has_colors else f"{marker}:"
            lines.append(f"{sign} {name}")
    return lines
