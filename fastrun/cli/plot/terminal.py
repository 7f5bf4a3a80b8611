"""The schedules drawn in the terminal, side by side as its width allows."""

from __future__ import annotations

import os
import shutil
import sys
from typing import Any

from fastrun.cli.plot.curves import STEPS_PER_EPOCH, PlottedCurve
from fastrun.errors import UsageError

_LEAST, _MOST, _GAP = 26, 44, 3  # columns of a panel, and between two
_HEIGHT = 9  # lines of a panel, axis and numbers included


def draw(curves: list[PlottedCurve]) -> str:
    """Return the panels as text, in colour where it goes to a terminal that shows any.

    Raises:
        UsageError: plotext is not installed.
    """
    try:
        import plotext
    except ImportError as error:
        raise UsageError("drawing in the terminal needs plotext", "pip install 'fastrun[report]'") from error
    width = shutil.get_terminal_size().columns
    across = max(1, min(len(curves), (width + _GAP) // (_LEAST + _GAP)))
    own = min(_MOST, (width + _GAP) // across - _GAP)
    plain = not sys.stdout.isatty() or bool(os.environ.get("NO_COLOR"))
    panels = [_panel(plotext, curve, own, plain) for curve in curves]
    rows = [panels[first : first + across] for first in range(0, len(panels), across)]
    text = ["\n".join((" " * _GAP).join(line).rstrip() for line in zip(*row, strict=True)) for row in rows]
    return "\n\n".join([*text, _caption(curves)])


def _caption(curves: list[PlottedCurve]) -> str:
    """Return what a reader must know to read the panels."""
    said = [f"up: the factor of optimizer.lr; across: epochs, {STEPS_PER_EPOCH} steps each"]
    if any(curve.momenta for curve in curves):
        said.append("dotted: the momentum")
    return "\n".join(said + [f"{curve.name}: {curve.note}" for curve in curves if curve.note])


def _panel(plotext: Any, curve: PlottedCurve, width: int, plain: bool) -> list[str]:
    """Return the lines of a panel, each of them ``width`` columns wide."""
    figure = plotext.figure
    figure.clear()
    plotext.terminal.limit(False, False)  # a pipe has no size
    figure.plot_size(width, _HEIGHT)
    figure.theme("colorless")
    figure.axes(False, side=1)
    for values, marker, colour in ((curve.momenta, "·", "magenta+"), (curve.factors, "braille", "blue+")):
        if values:
            signal = figure.signal(curve.epochs, values, marker=plotext.marker(marker, colour))
            figure.draw(signal.lines())
    figure.ruler("y").lim(0, 1).ticks([0, 0.5, 1], ["0", "½", "1"])
    end = curve.end
    figure.ruler("x").lim(0, end).ticks([0, end / 2, end], ["0", f"{end / 2:g}", f"{end:g}"])
    title = curve.name.ljust(width)
    return [title if plain else f"\033[1m{title}\033[0m", *figure.build().string(colorless=plain).splitlines()]
