"""The charts of what a search measured."""

from __future__ import annotations

from fastrun.report.plot.chart import Chart, decades, finite
from fastrun.tune.find.batch import BatchResult
from fastrun.tune.find.fall import smooth
from fastrun.tune.find.number import NumberResult
from fastrun.tune.find.rate import KEY, RateResult

_HEADROOM = 1.15  # above the highest value that a chart has to show
_MARGIN = 0.15  # the same above and below, where a chart does not begin at 0
_NEAR_ZERO = 1 / 3  # of the highest value: lower losses are drawn above 0


def rate_chart(result: RateResult) -> Chart:
    """Return the losses of the range tests as lines, and those of the short runs as points."""
    lines = [(test.rates, smooth(test.losses, result.test_steps).tolist()) for test in result.tests if test.losses]
    points = finite([(candidate.value, candidate.loss) for candidate in result.candidates])
    top = _HEADROOM * max([ys[0] for _, ys in lines] + [min(points[1])])
    xs = [x for part, _ in (*lines, points) for x in part]
    low = min(y for _, part in (*lines, points) for y in part)
    return Chart(
        x_name=KEY,
        y_name="loss",
        lines=lines,
        lines_name="range tests (training loss)",
        points=points,
        points_name="short runs (validation loss)",
        mark=result.best.value,
        mark_name="suggestion",
        bottom=min(0.0, low) if low < _NEAR_ZERO * top else low - _MARGIN * (top - low),
        top=top,
        ticks=decades(min(xs), max(xs)),
    )


def number_chart(result: NumberResult) -> Chart | None:
    """Return the losses of the short runs; where the scale is the distance from 1, that is along the axis.

    There is no chart where no value above 0 has a loss.
    """
    number = result.number
    measured = [(number.distance(one.value), one.loss) for one in result.candidates]
    points = finite([(x, y) for x, y in sorted(measured) if x > 0])
    if not points[0]:
        return None
    margin = _MARGIN * (max(points[1]) - min(points[1]))
    return Chart(
        x_name=f"1 - {number.key}" if number.is_kept_share else number.key,
        y_name="loss",
        lines=[points],
        lines_name="",
        points=points,
        points_name="short runs (validation loss)",
        mark=number.distance(result.suggestion.value),
        mark_name="suggestion",
        bottom=min(points[1]) - margin,
        top=max(points[1]) + margin,
        ticks=points[0],
    )


def batch_chart(result: BatchResult) -> Chart:
    """Return the samples that each batch size needs for the same progress."""
    points = finite([(float(branch.size), branch.samples) for branch in result.branches])
    return Chart(
        x_name="batch.size",
        y_name="samples",
        lines=[points],
        lines_name="",
        points=points,
        points_name="samples for the same progress",
        mark=float(result.critical),
        mark_name="critical size",
        bottom=0.0,
        top=_HEADROOM * max(points[1]),
        ticks=points[0],
    )
