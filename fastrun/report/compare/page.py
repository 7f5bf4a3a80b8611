"""A comparison as a page: one HTML file with the table and the curves. Needs the extra ``report``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from fastrun.report.compare.columns import config_columns, name_runs, result_columns
from fastrun.report.compare.comparison import Comparison
from fastrun.report.compare.curves import name_group, target_of
from fastrun.report.compare.groups import Group
from fastrun.report.page.curve_chart import Curve, CurveChart, draw_chart
from fastrun.report.page.number_format import enumerate_words
from fastrun.report.page.render import render_page
from fastrun.report.page.series import read_series

_COLORS = 8  # rows that have a color each; more are colored by their rank
_MOST_STEPS = 2000  # of a curve


def render_comparison(comparison: Comparison, metric: str, drawn: int) -> bytes:
    """Return the page.

    Args:
        comparison: the rows.
        metric: what is drawn, beside the training loss.
        drawn: the first rows, so many, that have curves.

    Raises:
        UsageError: jinja2 is not installed.
    """
    columns = [*config_columns(comparison), *result_columns(comparison)]
    groups = comparison.groups[:drawn]
    names = dict.fromkeys((metric, "train/loss"))
    charts = [
        draw_chart(
            name, list(_curves(groups, comparison.keys, name)), line=target_of(groups, name), is_loss="loss" in name
        )
        for name in names
    ]
    runs = sum(len(group.records) for group in comparison.groups)
    context: dict[str, Any] = {
        "title": f"{runs} runs compared",
        "conclusion": _conclude(comparison),
        "columns": columns,
        "rows": [
            {"cells": [column.cell(group) for column in columns], "color": index if len(groups) <= _COLORS else None}
            for index, group in enumerate(comparison.groups)
        ],
        "notes": comparison.notes,
        "charts": [chart for chart in charts if chart is not None],
    }
    return render_page("compare.html.j2", context).encode()


def _chart(groups: Sequence[Group], keys: Sequence[str], name: str) -> CurveChart | None:
    curves = list(_curves(groups, keys, name))
    return draw_chart(name, curves, line=target_of(groups, name), is_loss=name.endswith("loss"))


def _conclude(comparison: Comparison) -> str:
    """Return in a sentence or two what differs, and which row is the best."""
    differs = (
        f"They differ in {enumerate_words(comparison.keys)}." if comparison.keys else "Their configs do not differ."
    )
    best = comparison.groups[0].statistics("best")
    if best is None:
        return differs
    return f"{differs} The best: {name_runs(comparison.groups[0])}, {comparison.metrics[0]} {best.mean:.4f}."


def _curves(groups: Sequence[Group], keys: Sequence[str], name: str) -> Iterator[Curve]:
    """Yield the curve of each run, that of the best row last, so that it lies on top."""
    last = max(1, len(groups) - 1)
    for place, group in reversed(list(enumerate(groups))):
        for record in group.counted:
            series = read_series(record.path / "metrics.jsonl", [name], _MOST_STEPS).get(name)
            if series is not None:
                yield Curve(
                    series.smoothed() if name == "train/loss" else series,
                    name_group(group, keys),
                    color=place % _COLORS,
                    run=place + 1,
                    rank=1 - place / last if len(groups) > _COLORS else None,
                )
