"""Compare runs: what differs in their configs beside what came out, the best first, and their curves."""

from __future__ import annotations

import json
import shutil
from argparse import Namespace
from pathlib import Path

from fastrun.errors import UsageError
from fastrun.report.compare.comparison import Comparison, compare_runs
from fastrun.report.compare.curves import AXES, draw_groups
from fastrun.report.compare.export import as_csv, as_values
from fastrun.report.compare.metric import full_name
from fastrun.report.compare.selection import select_runs
from fastrun.report.compare.table import new_console, show_table
from fastrun.report.new_file import check_new, write_new
from fastrun.system.argument_parser import ArgumentParser

_ROWS = 50
_DRAWN, _IN_TERMINAL = 20, 6  # rows that have curves in a picture, and in the terminal
_CHART_HEIGHT = 16  # lines


def run(arguments: list[str]) -> int:
    """Print a table, and the curves of its first rows; write the files that are asked for."""
    given = _parser().parse_intermixed_args(arguments)
    _check(given)
    metric = given.metric and full_name(given.metric)
    selection = select_runs(given.runs, given.filter)
    comparison = compare_runs(selection.records, metric, given.limit, selection.notes)
    drawn = metric or next(iter(comparison.metrics), "train/loss")
    _write_files(given, comparison, drawn)
    if given.json:
        print(json.dumps(as_values(comparison), default=str))
        return 0
    console = new_console()
    show_table(comparison, console)
    for note in comparison.notes:
        console.print(f"note: {note}", markup=False, soft_wrap=True)
    _show_curves(comparison, drawn, given.over)
    for path in filter(None, (given.csv, given.png, given.html)):
        print(f"written: {path}")
    return 0


def _parser() -> ArgumentParser:
    parser = ArgumentParser("fastrun compare", __doc__)
    parser.add_argument("runs", nargs="*", metavar="RUN", help="runs, or the folder of a sweep or of other runs")
    parser.add_argument("--filter", metavar="TEXT", help="only these, such as 'model=resnet best>0.9' (alone: of all)")
    parser.add_argument("--metric", help="compare by the best value of another metric, such as val/loss, and draw it")
    parser.add_argument("--over", choices=AXES, default="steps", help="what curves are drawn over (default: steps)")
    parser.add_argument("--limit", type=int, default=_ROWS, metavar="N", help=f"rows at most (default: {_ROWS})")
    parser.add_argument("--csv", type=Path, metavar="FILE", help="write a line for each run")
    parser.add_argument("--png", type=Path, metavar="FILE", help="draw the curves as a picture")
    parser.add_argument("--html", type=Path, metavar="FILE", help="write table and curves as one page")
    parser.add_argument("--json", action="store_true", help="print a JSON object")
    return parser


def _check(given: Namespace) -> None:
    """Check what can be checked before any run is read.

    Raises:
        UsageError: a file exists, cannot be drawn, or there would be no rows.
    """
    if given.limit < 1:
        raise UsageError(f"--limit {given.limit} leaves no rows", "give a number from 1 on")
    for path in filter(None, (given.csv, given.png, given.html)):
        check_new(path)
    try:
        if given.png:
            import matplotlib.figure  # noqa: F401
        if given.html:
            import jinja2  # noqa: F401
    except ImportError as error:
        option = "--png" if "matplotlib" in (error.name or "") else "--html"
        raise UsageError(f"{option} needs {error.name}", "pip install 'fastrun[report]'") from error


def _write_files(given: Namespace, comparison: Comparison, metric: str) -> None:
    if given.csv:
        write_new(given.csv, as_csv(comparison))
    if given.png:
        from fastrun.report.plot.line_picture import save_lines

        chart = draw_groups(comparison.groups[:_DRAWN], comparison.keys, metric, given.over)
        if chart is None:
            raise UsageError("there is no curve to draw: nothing was measured yet", "leave --png out")
        save_lines(chart, given.png)
    if given.html:
        from fastrun.report.compare.page import render_comparison

        write_new(given.html, render_comparison(comparison, metric, _DRAWN))


def _show_curves(comparison: Comparison, metric: str, over: str) -> None:
    """Draw the curves of the first rows; a line says so where the package that draws is not installed."""
    chart = draw_groups(comparison.groups[:_IN_TERMINAL], comparison.keys, metric, over)
    if chart is None:
        return
    try:
        from fastrun.report.plot.line_text import render_lines
        from fastrun.report.plot.terminal import is_colored

        width = min(100, shutil.get_terminal_size().columns)
        print(f"\n{render_lines(chart, width, _CHART_HEIGHT, is_colored())}")
    except ImportError:
        print("(pip install 'fastrun[report]' draws the curves)")
    if len(comparison.groups) > _IN_TERMINAL:
        print(f"the curves are those of the first {_IN_TERMINAL} rows; --png and --html draw {_DRAWN}")
