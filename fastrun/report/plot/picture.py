"""Plots as a picture: the schedules, a panel for each with the same axes, and the chart of a search."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from textwrap import fill, wrap
from typing import Any

from fastrun.report.new_file import write_new
from fastrun.report.plot.chart import Chart
from fastrun.report.plot.curves import STEPS_PER_EPOCH, PlottedCurve

_COLUMNS = 5  # panels side by side, at most
_RATE, _MOMENTUM, _FAINT, _GRID = "#1f5fbf", "#c2410c", "#6b7280", "#e5e7eb"


def unused_path(path: Path) -> Path:
    """Return the path if there is no such file, else the first unused path of ``name-2``, ``name-3`` …"""
    candidate, count = path, 1
    while candidate.exists():
        count += 1
        candidate = path.with_stem(f"{path.stem}-{count}")
    return candidate


def save(curves: list[PlottedCurve], path: Path) -> None:
    """Write the picture as a PNG file.

    Args:
        curves: the curves, at least one.
        path: the file, which must not exist yet.

    Raises:
        UsageError: the file exists.
        StorageError: the file cannot be written.
    """
    from matplotlib.figure import Figure  # pyplot would open windows and keep the figure alive

    columns = min(_COLUMNS, len(curves))
    rows = -(-len(curves) // columns)
    figure = Figure(figsize=(3.1 * columns + 0.3, 2.4 * rows + 0.6), dpi=120, layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat
    title_lines = max(len(_argument_lines(curve)) for curve in curves)
    for axes, curve in zip(panels, curves, strict=False):
        _draw_panel(axes, curve)
        _draw_title(axes, curve, title_lines)
    for axes in panels[len(curves) :]:
        axes.set_axis_off()
    _label_axes(panels, columns, len(curves))
    heading = f"What a schedule multiplies optimizer.lr by, over a run (epochs of {STEPS_PER_EPOCH} steps)"
    figure.suptitle(fill(heading, 45 * columns), fontsize=12, x=0.012, ha="left")
    write_figure(figure, path)


def _draw_panel(axes: Any, curve: PlottedCurve) -> None:
    axes.plot(curve.epochs, curve.factors, color=_RATE, linewidth=1.8, solid_joinstyle="round")
    if curve.momenta:
        axes.plot(curve.epochs, curve.momenta, color=_MOMENTUM, linewidth=1.4, linestyle="--", label="momentum")
        axes.legend(fontsize=8, frameon=False, loc="lower center")
    axes.annotate(fill(curve.note, 24), (0.05, 0.12), xycoords="axes fraction", fontsize=7.5, color=_FAINT)
    axes.set(xlim=(0, curve.end), ylim=(-0.03, 1.06), yticks=(0, 0.5, 1))
    axes.grid(color=_GRID, linewidth=0.7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8, color=_FAINT)


def _draw_title(axes: Any, curve: PlottedCurve, lines: int) -> None:
    """Write the name and the arguments of a schedule above its panel.

    Args:
        axes: the panel.
        curve: the curve.
        lines: the lines of arguments to leave room for: the most that any panel of the picture has.
    """
    axes.set_title(curve.name, loc="left", fontsize=11, fontweight="bold", pad=6 + 9 * lines)
    layout: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "in_layout": False}
    axes.annotate("\n".join(_argument_lines(curve)), (0, 1), (0, 5), fontsize=6.5, color=_FAINT, **layout)


def _argument_lines(curve: PlottedCurve) -> list[str]:
    """Return the arguments that are set, in lines that fit a panel."""
    arguments = [f"{key}={_format_value(value)}" for key, value in curve.arguments.items() if value not in (None, 0)]
    return wrap("  ".join(arguments), 58)


def _format_value(value: Any) -> str:
    return "[" + ",".join(map(_format_value, value)) + "]" if isinstance(value, (list, tuple)) else str(value)


def _label_axes(panels: Any, columns: int, count: int) -> None:
    """Label the axes at the left and the bottom of the grid, and those above an empty cell of the last row."""
    for index, axes in enumerate(panels[:count]):
        if index % columns == 0:
            axes.set_ylabel("factor of optimizer.lr", fontsize=8)
        if index + columns >= count:
            axes.set_xlabel("epoch", fontsize=8)
            axes.tick_params(labelbottom=True)


def save_chart(chart: Chart, path: Path) -> None:
    """Write the chart of a search as a PNG file.

    Args:
        chart: the chart.
        path: the file, which must not exist yet.

    Raises:
        UsageError: the file exists.
        StorageError: the file cannot be written.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.5, 4.2), dpi=120, layout="constrained")
    axes = figure.subplots()
    for index, (xs, ys) in enumerate(chart.lines):
        label = chart.lines_name if index == 0 and chart.lines_name else None
        axes.plot(xs, ys, color=_RATE, linewidth=1.4, alpha=0.6, solid_joinstyle="round", label=label)
    axes.plot(*chart.points, "o", color=_MOMENTUM, markersize=5, label=chart.points_name)
    if chart.mark > 0:
        label = f"{chart.mark_name}: {chart.mark:g}"
        axes.axvline(chart.mark, color=_FAINT, linewidth=1, linestyle="--", label=label)
    low, high = chart.x_range
    bottom, top = chart.y_range
    axes.set(xscale="log", xlim=(10**low / 1.1, 10**high * 1.1), ylim=(bottom, top))
    axes.set_xlabel(chart.x_name, fontsize=9)
    axes.set_ylabel(chart.y_name, fontsize=9)
    axes.set_xticks(chart.ticks, [f"{x:g}" for x in chart.ticks], minor=False)
    axes.minorticks_off()
    axes.grid(color=_GRID, linewidth=0.7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8, color=_FAINT)
    axes.legend(fontsize=8, frameon=False)
    write_figure(figure, path)


def write_figure(figure: Any, path: Path) -> None:
    """Write a figure of matplotlib as a PNG file.

    Raises:
        UsageError: the file exists.
        StorageError: the file cannot be written.
    """
    content = BytesIO()
    figure.savefig(content, format="png")
    write_new(path, content.getbuffer())
