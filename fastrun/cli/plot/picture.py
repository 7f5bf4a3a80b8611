"""The schedules as a picture: a panel each, on the same axes."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from textwrap import fill, wrap
from typing import Any

from fastrun.cli.plot.curves import STEPS_PER_EPOCH, PlottedCurve
from fastrun.errors import StorageError, UsageError

_ACROSS = 5
_RATE, _MOMENTUM, _FAINT, _GRID = "#1f5fbf", "#c2410c", "#6b7280", "#e5e7eb"


def free(path: Path) -> Path:
    """Return the path, or where it is taken the first of ``name-2``, ``name-3`` … that is not."""
    found, count = path, 1
    while found.exists():
        count += 1
        found = path.with_stem(f"{path.stem}-{count}")
    return found


def save(curves: list[PlottedCurve], path: Path) -> None:
    """Write the picture as a PNG, where there is no file yet.

    Raises:
        UsageError: matplotlib is not installed, or the file exists.
        StorageError: it cannot be written.
    """
    try:
        from matplotlib.figure import Figure  # no pyplot: no window, no state that outlives the picture
    except ImportError as error:
        raise UsageError("drawing a picture needs matplotlib", "pip install 'fastrun[report]'") from error
    across = min(_ACROSS, len(curves))
    down = -(-len(curves) // across)
    figure = Figure(figsize=(3.1 * across + 0.3, 2.4 * down + 0.6), dpi=120, layout="constrained")
    panels = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).flat
    lines = max(len(_arguments(curve)) for curve in curves)
    for axes, curve in zip(panels, curves, strict=False):
        _panel(axes, curve)
        _title(axes, curve, lines)
    for axes in panels[len(curves) :]:
        axes.set_axis_off()
    _label(panels, across, len(curves))
    heading = f"What a schedule multiplies optimizer.lr by, over a run (epochs of {STEPS_PER_EPOCH} steps)"
    figure.suptitle(fill(heading, 45 * across), fontsize=12, x=0.012, ha="left")
    _write(figure, path)


def _panel(axes: Any, curve: PlottedCurve) -> None:
    axes.plot(curve.epochs, curve.factors, color=_RATE, linewidth=1.8, solid_joinstyle="round")
    if curve.momenta:
        axes.plot(curve.epochs, curve.momenta, color=_MOMENTUM, linewidth=1.4, linestyle="--", label="momentum")
        axes.legend(fontsize=8, frameon=False, loc="lower center")
    axes.annotate(fill(curve.note, 24), (0.05, 0.12), xycoords="axes fraction", fontsize=7.5, color=_FAINT)
    axes.set(xlim=(0, curve.end), ylim=(-0.03, 1.06), yticks=(0, 0.5, 1))
    axes.grid(color=_GRID, linewidth=0.7)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=8, color=_FAINT)


def _title(axes: Any, curve: PlottedCurve, lines: int) -> None:
    """Write a panel's name over it, and its arguments in as many lines as any panel of the picture needs."""
    axes.set_title(curve.name, loc="left", fontsize=11, fontweight="bold", pad=6 + 9 * lines)
    place: dict[str, Any] = {"xycoords": "axes fraction", "textcoords": "offset points", "in_layout": False}
    axes.annotate("\n".join(_arguments(curve)), (0, 1), (0, 5), fontsize=6.5, color=_FAINT, **place)


def _arguments(curve: PlottedCurve) -> list[str]:
    """Return the arguments that do something, in lines no wider than a panel."""
    said = [f"{key}={_text(value)}" for key, value in curve.arguments.items() if value not in (None, 0)]
    return wrap("  ".join(said), 58)


def _text(value: Any) -> str:
    return "[" + ",".join(map(_text, value)) + "]" if isinstance(value, (list, tuple)) else str(value)


def _label(panels: Any, across: int, count: int) -> None:
    """Name the axes at the edges of the grid; number them, too, where a column ends before the others."""
    for place, axes in enumerate(panels[:count]):
        if place % across == 0:
            axes.set_ylabel("factor of optimizer.lr", fontsize=8)
        if place + across >= count:
            axes.set_xlabel("epoch", fontsize=8)
            axes.tick_params(labelbottom=True)


def _write(figure: Any, path: Path) -> None:
    whole = BytesIO()  # drawn before there is a file, so that none is left half done
    figure.savefig(whole, format="png")
    try:
        with path.open("xb") as file:
            file.write(whole.getbuffer())
    except FileExistsError as error:
        raise UsageError(f"{path} exists already", "name another file: nothing is overwritten") from error
    except OSError as error:
        raise StorageError(f"cannot write {path}: {error.strerror}", "choose another place: --png FILE") from error
