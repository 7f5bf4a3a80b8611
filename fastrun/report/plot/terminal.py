"""Plots as text for the terminal: the schedules, as many panels side by side as fit, and the chart of a search."""

from __future__ import annotations

import os
import shutil
import sys
from itertools import cycle
from math import log10
from typing import Any

from fastrun.report.plot.chart import Chart
from fastrun.report.plot.curves import STEPS_PER_EPOCH, PlottedCurve

_MIN_WIDTH, _MAX_WIDTH, _GAP = 26, 44, 3  # characters of a panel, and between two panels
_HEIGHT = 9  # lines of a panel, including the axis and its numbers
_CHART_WIDTH, _CHART_HEIGHT = 76, 14  # of the chart of a search, at most
_COLORS = "blue+", "cyan+", "green+"  # of its lines


def render(curves: list[PlottedCurve]) -> str:
    """Return the panels as text, with colors if standard output is a terminal and ``NO_COLOR`` is not set."""
    import plotext

    columns = shutil.get_terminal_size().columns
    across = max(1, min(len(curves), (columns + _GAP) // (_MIN_WIDTH + _GAP)))
    width = min(_MAX_WIDTH, (columns + _GAP) // across - _GAP)
    has_colors = is_colored()
    panels = [_render_panel(plotext, curve, width, has_colors) for curve in curves]
    rows = [panels[first : first + across] for first in range(0, len(panels), across)]
    return "\n\n".join([*map(_side_by_side, rows), _caption(curves)])


def _side_by_side(panels: list[list[str]]) -> str:
    """Return panels, which all have the same number of lines, as one text."""
    gap = " " * _GAP
    return "\n".join(gap.join(parts).rstrip() for parts in zip(*panels, strict=True))


def _caption(curves: list[PlottedCurve]) -> str:
    """Return the explanation of the axes, the lines and the assumptions."""
    lines = [f"vertical: the factor of optimizer.lr; horizontal: epochs of {STEPS_PER_EPOCH} steps"]
    if any(curve.momenta for curve in curves):
        lines.append("dotted: the momentum")
    return "\n".join(lines + [f"{curve.name}: {curve.note}" for curve in curves if curve.note])


def _render_panel(plotext: Any, curve: PlottedCurve, width: int, has_colors: bool) -> list[str]:
    """Return the lines of a panel, each ``width`` characters wide."""
    figure = new_figure(plotext, width, _HEIGHT)
    for values, marker, color in ((curve.momenta, "·", "magenta+"), (curve.factors, "braille", "blue+")):
        if values:
            signal = figure.signal(curve.epochs, values, marker=plotext.marker(marker, color))
            figure.draw(signal.lines())
    figure.ruler("y").lim(0, 1).ticks([0, 0.5, 1], ["0", "½", "1"])
    end = curve.end
    figure.ruler("x").lim(0, end).ticks([0, end / 2, end], ["0", f"{end / 2:g}", f"{end:g}"])
    name = curve.name.ljust(width)
    title = f"\033[1m{name}\033[0m" if has_colors else name
    return [title, *figure.build().string(colorless=not has_colors).splitlines()]


def render_chart(chart: Chart) -> str:
    """Return the chart of a search as text, in colors as :func:`render`."""
    import plotext

    width = min(_CHART_WIDTH, shutil.get_terminal_size().columns)
    figure = new_figure(plotext, width, _CHART_HEIGHT)
    bottom, top = chart.y_range
    for (xs, ys), color in zip(chart.lines, cycle(_COLORS), strict=False):
        inside = [min(y, top) for y in ys]
        signal = figure.signal(list(map(log10, xs)), inside, marker=plotext.marker("braille", color))
        figure.draw(signal.lines())
    xs, ys = chart.points
    figure.draw(figure.signal(list(map(log10, xs)), [min(y, top) for y in ys], marker=plotext.marker("o", "magenta+")))
    heights = bottom, (bottom + top) / 2, top
    figure.ruler("y").lim(bottom, top).ticks(list(heights), list(map(_format_height, heights)))
    figure.ruler("x").lim(*chart.x_range).ticks(list(map(log10, chart.ticks)), [f"{x:g}" for x in chart.ticks])
    has_colors = is_colored()
    names = [f"line: {chart.lines_name}"] * bool(chart.lines_name) + [f"o: {chart.points_name}"]
    caption = f"{chart.y_name} over {chart.x_name}; {'; '.join(names)}"
    return f"{figure.build().string(colorless=not has_colors).rstrip()}\n{caption}"


def _format_height(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def is_colored() -> bool:
    """Say whether text may be colored: standard output is a terminal, and ``NO_COLOR`` is not set."""
    return sys.stdout.isatty() and not os.environ.get("NO_COLOR")


def new_figure(plotext: Any, width: int, height: int) -> Any:
    """Return plotext's figure, empty, so many characters wide and high."""
    figure = plotext.figure
    figure.clear()
    plotext.terminal.limit(False, False)  # a pipe has no size
    figure.plot_size(width, height)
    figure.theme("colorless")
    figure.axes(False, side=1)
    return figure
