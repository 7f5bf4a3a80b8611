"""Lines over steps, seconds or samples as a picture."""

from __future__ import annotations

from itertools import cycle
from pathlib import Path
from typing import Any

from fastrun.report.plot.line_chart import LineChart
from fastrun.report.plot.picture import write_figure

_COLORS = "#1f5fbf", "#c2410c", "#15803d", "#7c3aed", "#0e7490", "#a16207", "#be185d", "#4b5563"
_FAINT, _GRID = "#6b7280", "#e5e7eb"
_EDGE = 0.015  # of the width, to both sides of the lines


def save_lines(chart: LineChart, path: Path) -> None:
    """Write a chart as a PNG file.

    Args:
        chart: the chart.
        path: the file, which must not exist yet.

    Raises:
        UsageError: the file exists.
        StorageError: the file cannot be written.
    """
    write_figure(_draw(chart), path)


def _draw(chart: LineChart) -> Any:
    """Return matplotlib's figure."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8.5, 4.4 + 0.18 * len(chart.names)), dpi=120, layout="constrained")
    draw_on(figure.subplots(), chart)
    figure.legend(fontsize=8, frameon=False, loc="outside lower left", ncols=1)
    return figure


def draw_on(axes: Any, chart: LineChart) -> None:
    """Draw a chart on axes of matplotlib, without a legend."""
    colors = dict(zip(chart.names, cycle(_COLORS), strict=False))
    labeled = set[str]()
    for line in chart.lines:
        label = line.name if line.name not in labeled else None
        labeled.add(line.name)
        style: dict[str, Any] = {"marker": "o", "markersize": 2.5} if len(line.xs) < 60 else {}
        axes.plot(line.xs, line.ys, color=colors[line.name], linewidth=1.5, alpha=0.85, label=label, **style)
    if chart.mark is not None:
        label = f"{chart.mark_name}: {chart.mark:g}"
        axes.axhline(chart.mark, color=_FAINT, linewidth=1, linestyle="--", label=label)
    left, right = chart.x_range
    edge = _EDGE * (right - left)  # so that the frame cuts no point
    axes.set(xlim=(left - edge, right + edge), ylim=_y_range(chart), yscale="log" if chart.is_log else "linear")
    axes.set_xlabel(chart.x_name, fontsize=9)
    axes.set_ylabel(chart.y_name, fontsize=9)
    axes.grid(color=_GRID, linewidth=0.7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8, color=_FAINT)


def _y_range(chart: LineChart) -> tuple[float, float]:
    """Return the ends of the vertical axis, the upper one of a linear axis at a round value, so that it has a tick."""
    low, high = chart.y_range
    if chart.is_log:
        return low, high
    from matplotlib.ticker import MaxNLocator

    return low, max(high, float(MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)[-1]))
