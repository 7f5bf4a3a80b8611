"""Plots the schedules as text for the terminal, with as many panels side by side as fit."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Any

from fastrun.cli.plot.curves import STEPS_PER_EPOCH, PlottedCurve

_MIN_WIDTH, _MAX_WIDTH, _GAP = 26, 44, 3  # characters of a panel, and between two panels
_HEIGHT = 9  # lines of a panel, including the axis and its numbers


def render(curves: list[PlottedCurve]) -> str:
    """Return the panels as text, with colors if standard output is a terminal and ``NO_COLOR`` is not set."""
    import plotext

    columns = shutil.get_terminal_size().columns
    across = max(1, min(len(curves), (columns + _GAP) // (_MIN_WIDTH + _GAP)))
    width = min(_MAX_WIDTH, (columns + _GAP) // across - _GAP)
    has_colors = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
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
    figure = plotext.figure
    figure.clear()
    plotext.terminal.limit(False, False)  # a pipe has no size
    figure.plot_size(width, _HEIGHT)
    figure.theme("colorless")
    figure.axes(False, side=1)
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
