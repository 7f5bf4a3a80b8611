"""The table of a comparison in the terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from fastrun.report.compare.columns import Column, config_columns, result_columns, short_config_columns
from fastrun.report.compare.comparison import Comparison

_PIPE_WIDTH = 160  # where standard output is no terminal


def show_table(comparison: Comparison, console: Console) -> None:
    """Print the table. Where a column a key is too wide for the terminal, one column has all keys that differ."""
    table = _build(comparison, [*config_columns(comparison), *result_columns(comparison)])
    if table.__rich_measure__(console, console.options.update(max_width=10_000)).maximum > console.width:
        table = _build(comparison, [*short_config_columns(comparison), *result_columns(comparison)])
    console.print(table)


def new_console() -> Console:
    """Return a console that prints tables; a pipe has no width that they would have to fit."""
    console = Console(highlight=False)
    return console if console.is_terminal else Console(highlight=False, width=_PIPE_WIDTH)


def _build(comparison: Comparison, columns: Sequence[Column]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    for column in columns:
        table.add_column(
            Text(column.name),
            justify="right" if column.is_number else "left",
            overflow="fold",
            no_wrap=column.is_number,
        )
    for group in comparison.groups:
        table.add_row(*(Text(column.cell(group)) for column in columns))
    return table
