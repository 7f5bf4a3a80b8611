"""The table of a comparison in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from fastrun.report.compare.columns import Column, config_columns, result_columns, short_config_columns
from fastrun.report.compare.comparison import Comparison

_PIPE_WIDTH = 160  # where standard output is no terminal
_LEAST_WIDTH = 26  # of the column that has all keys
_FEW = 3  # columns that are left out before all keys go into one column


def new_console() -> Console:
    """Return a console that prints tables; a pipe has no width that they would have to fit."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_PIPE_WIDTH)


def show_table(comparison: Comparison, console: Console) -> None:
    """Print the table.

    Where a terminal is too narrow, results are left out, which a line names; where that is not enough, one column has
    all keys that differ.
    """
    keys, results = config_columns(comparison), result_columns(comparison)
    shown = [*keys, *_fitting(comparison, keys, results, console)]
    if _width(comparison, shown) > console.width or len(shown) < len(keys) + len(results) - _FEW:
        keys = short_config_columns(comparison)
        shown = [*keys, *_fitting(comparison, keys, results, console)]
    console.print(_build(comparison, shown))
    left_out = [column.name for column in results if column not in shown]
    if left_out:
        line = f"not shown, since the terminal is narrow: {', '.join(left_out)} (--csv and --json have everything)"
        console.print(line, markup=False, soft_wrap=True)


def _fitting(
    comparison: Comparison, keys: Sequence[Column], results: Sequence[Column], console: Console
) -> list[Column]:
    """Return as many results as fit beside the keys, the most important ones, in their order."""
    kept = list(results)
    while _width(comparison, [*keys, *kept]) > console.width and any(column.rank for column in kept):
        kept.remove(max(kept, key=lambda column: column.rank))
    return kept


def _width(comparison: Comparison, columns: Sequence[Column]) -> int:
    """Return the characters that a table needs so that nothing but the column of all keys is folded."""
    console = Console(width=10_000)
    return Measurement.get(console, console.options, _build(comparison, columns, is_measured=True)).maximum


def _build(comparison: Comparison, columns: Sequence[Column], is_measured: bool = False) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for column in columns:
        table.add_column(
            Text(column.name),
            justify="right" if column.is_number else "left",
            overflow="fold",
            no_wrap=not column.is_folded,
            max_width=_LEAST_WIDTH if column.is_folded and is_measured else None,
        )
    for group in comparison.groups:
        table.add_row(*(Text(column.cell(group)) for column in columns))
    return table
