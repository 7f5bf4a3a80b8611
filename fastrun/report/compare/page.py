"""A comparison as a page: one HTML file with the table and the curves. Needs the extra ``report``."""

from __future__ import annotations

from fastrun.report.compare.columns import config_columns, result_columns
from fastrun.report.compare.comparison import Comparison
from fastrun.report.plot.line_chart import LineChart


def render_page(comparison: Comparison, chart: LineChart | None) -> bytes:
    """Return the page, which loads nothing from anywhere.

    Args:
        comparison: the rows.
        chart: the curves; None where there are none.
    """
    from jinja2 import Environment, PackageLoader, StrictUndefined

    from fastrun.report.plot.line_picture import svg_of_lines

    environment = Environment(
        loader=PackageLoader(__package__, "."), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    columns = [*config_columns(comparison), *result_columns(comparison)]
    rows = [[column.cell(group) for column in columns] for group in comparison.groups]
    described = "" if chart is None else f"{chart.y_name} over {chart.x_name}: {', '.join(chart.names)}"
    page = environment.get_template("page.html.j2").render(
        runs=sum(len(group.records) for group in comparison.groups),
        keys=comparison.keys,
        columns=columns,
        rows=rows,
        notes=comparison.notes,
        chart=None if chart is None else svg_of_lines(chart),
        described=described,
    )
    return page.encode()
