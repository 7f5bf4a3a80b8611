"""Charts of curves over steps and over seconds, as paths of SVG.

A path lies in a box of ``WIDTH`` by ``HEIGHT`` units that a page stretches to the place there is; the words beside it
are HTML, so that they keep their size on any screen. Its points are whole numbers, each relative to the one before:
about five bytes a point.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fastrun.report.page.axis import Axis, Tick, fit_axis, linear_axis
from fastrun.report.page.number_format import number, plural
from fastrun.report.page.series import Floats, Series
from fastrun.report.page.thin import thin

WIDTH, HEIGHT = 4000, 2000
OVER = {"steps": "optimizer steps", "seconds": "seconds of training"}
_FEW = 40  # points that are marked


@dataclass(frozen=True)
class Curve:
    """A curve to draw.

    Attributes:
        series: its values.
        label: what it is called.
        color: the number of its color.
        is_faint: whether it stands behind the others, as the values that another curve is the mean of.
        run: the number of the run that it belongs to, where there are several.
        rank: from 0 for the worst run to 1 for the best, where there are more runs than colors.
        is_dashed: whether it has gaps, so that a curve below it with nearly the same values can be seen.
    """

    series: Series
    label: str
    color: int = 0
    is_faint: bool = False
    run: int | None = None
    rank: float | None = None
    is_dashed: bool = False


@dataclass(frozen=True)
class Drawn:
    """A curve as paths: the line, and marks at its points where they are few."""

    curve: Curve
    path: str
    marks: str


@dataclass(frozen=True)
class Panel:
    """The curves over one horizontal axis."""

    over: str
    x_name: str
    x: Axis
    drawn: list[Drawn]


@dataclass(frozen=True)
class CurveChart:
    """A chart.

    Attributes:
        title: what it shows.
        y: the vertical axis.
        panels: the curves over steps, and over seconds.
        legend: the label and color of each curve; empty where there is one, or where they are runs.
        line: a value to reach, as a mark of the vertical axis.
        text: what it shows, in words.
    """

    title: str
    y: Axis
    panels: list[Panel]
    legend: list[tuple[str, int]]
    line: Tick | None
    text: str

    @property
    def grid(self) -> str:
        """Return the horizontal lines at the marks as a path."""
        return "".join(f"M0 {round((1 - tick.at) * HEIGHT)}h{WIDTH}" for tick in self.y.ticks)


def draw_chart(
    title: str, curves: Sequence[Curve], *, columns: int = 400, line: float | None = None, is_loss: bool = False
) -> CurveChart | None:
    """Return the chart of some curves; None where none of them has a finite value.

    Args:
        title: what it shows.
        curves: the curves.
        columns: how many columns a curve is thinned to.
        line: a value to mark, such as a target.
        is_loss: whether the vertical axis is logarithmic where the values span much.
    """
    shown = [curve for curve in curves if len(curve.series.finite)]
    if not shown:
        return None
    values = np.concatenate([curve.series.finite for curve in shown])
    y = fit_axis(values if line is None else np.append(values, line), may_be_log=is_loss)
    panels = [panel for over in OVER if (panel := _panel(over, shown, y, columns)) is not None]
    names = dict.fromkeys((curve.label, curve.color) for curve in shown if not curve.is_faint)
    return CurveChart(
        title=f"{title}, logarithmic" if y.is_log else title,
        y=y,
        panels=panels,
        legend=list(names) if len(names) > 1 and shown[0].run is None else [],
        line=None if line is None else Tick(y.place_one(line), f"target {number(line)}"),
        text=describe(title, shown),
    )


def describe(title: str, curves: Sequence[Curve]) -> str:
    """Return what a chart shows in words, for those who cannot see it."""
    solid = [curve for curve in curves if not curve.is_faint]
    if len(solid) > 4:
        ends = [curve.series.finite[-1] for curve in solid]
        return f"{title} of {plural(len(solid), 'run')}; the last values are {number(min(ends))} to {number(max(ends))}"
    parts = []
    for curve in solid:
        finite = curve.series.finite
        values = np.concatenate([one.series.finite for one in curves if one.series.name == curve.series.name])
        parts.append(
            f"{curve.label} from {number(float(finite[0]))} to {number(float(finite[-1]))}, "
            f"lowest {number(float(values.min()))}, highest {number(float(values.max()))}"
        )
    return f"{title}: {'; '.join(parts)}"


def _panel(over: str, curves: Sequence[Curve], y: Axis, columns: int) -> Panel | None:
    """Return the curves over an axis; None where its values are not known."""
    ends = [along[np.isfinite(along)] for along in (curve.series.along(over) for curve in curves)]
    highest = max((float(end.max()) for end in ends if len(end)), default=None)
    if highest is None:
        return None
    x = linear_axis(0.0, highest or 1.0)
    drawn = [_draw(curve, over, x, y, columns) for curve in curves]
    return Panel(over, OVER[over], x, drawn)


def _draw(curve: Curve, over: str, x: Axis, y: Axis, columns: int) -> Drawn:
    along = curve.series.along(over)
    known = np.isfinite(along)
    xs, ys = thin(along[known], curve.series.values[known], columns)
    across, up = x.place(xs) * WIDTH, (1 - y.place(ys)) * HEIGHT
    is_lonely = len(ys) <= _FEW and not curve.is_faint and curve.rank is None
    return Drawn(curve, to_path(across, up), _marks(across, up) if is_lonely else "")


def to_path(across: Floats, down: Floats) -> str:
    """Return points as a path of SVG, interrupted where a value is not finite; empty where there is no point."""
    is_there = np.isfinite(down)
    points = np.rint(np.stack([across[is_there], down[is_there]], 1)).astype(int)
    moves = np.diff(points, axis=0, prepend=np.zeros((1, 2), int)).tolist()
    begins = (~np.concatenate([[False], is_there[:-1]]))[is_there].tolist()
    parts, before = [], ""
    for (right, below), is_begin in zip(moves, begins, strict=True):
        command = "m" if is_begin else "l"
        parts.append(f"{' ' if command == before else command}{right}{'' if below < 0 else ' '}{below}")
        before = "l" if is_begin else command  # what follows a move without a letter is a line
        if is_begin:
            before = ""
    return "".join(parts)


def _marks(across: Floats, down: Floats) -> str:
    """Return a dot at each point: a line without length, whose ends are round."""
    points = zip(across.tolist(), down.tolist(), strict=True)
    return "".join(f"M{right:.0f} {below:.0f}h0" for right, below in points if np.isfinite(below))
