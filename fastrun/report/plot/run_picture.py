"""The curves of a run as a picture: a panel for the losses, and one for each other metric."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING

from fastrun.errors import UsageError
from fastrun.report.compare.curves import AXES, position
from fastrun.report.plot.line_chart import Line, LineChart
from fastrun.report.plot.line_picture import draw_on
from fastrun.report.points import Points
from fastrun.storage.run_dir import RunDir

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_run(run: RunDir, metrics: Sequence[str], over: str, size: int) -> Figure | None:
    """Return a figure of matplotlib; None if none of the metrics was measured.

    Args:
        run: the run.
        metrics: names in metrics.jsonl.
        over: what the curves are drawn over: ``steps``, ``seconds`` or ``samples``.
        size: the samples of a step.

    Raises:
        UsageError: matplotlib is not installed, or there is no such axis.
    """
    if over not in AXES:
        raise UsageError(f"over={over!r} is no axis", f"choose from {', '.join(AXES)}")
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise UsageError("a plot needs matplotlib", "pip install 'fastrun[report]'") from error
    panels: dict[str, list[Line]] = {}
    for metric in metrics:
        points = Points()
        for line in run.lines():
            if metric in line:
                points.add(position(line, over, size), line[metric])
        if points.xs:
            panel = "loss" if metric.endswith("/loss") else metric
            panels.setdefault(panel, []).append(Line(metric, points.xs, points.ys))
    if not panels:
        return None

    class Picture(Figure):
        """A figure that a notebook shows whether or not pyplot is imported, which would open windows."""

        def _repr_png_(self) -> bytes:
            stream = BytesIO()
            self.savefig(stream, format="png")
            return stream.getvalue()

    figure = Picture(figsize=(0.6 + 4.6 * len(panels), 3.6), dpi=120, layout="constrained")
    for axes, (name, lines) in zip(figure.subplots(1, len(panels), squeeze=False).flat, panels.items(), strict=True):
        draw_on(axes, LineChart(AXES[over], name, lines))
        axes.legend(fontsize=8, frameon=False)
    return figure
