"""The verdicts of a study in a terminal: a forest plot, each ratio with its interval on a logarithmic scale."""

from __future__ import annotations

import math

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fastrun.study.conclusion import Conclusion, Row
from fastrun.study.verdict.contrast import ADDED, SAME, WITHOUT
from fastrun.study.verdict.judge import FASTER, SLOWER, Verdict

_WIDE, _NARROW = 25, 11  # characters of the scale
_WIDE_CONSOLE = 118  # characters that the whole table takes; a narrower terminal gets a part of it
_LEAST_RANGE, _MOST_RANGE = 1.5, 20.0  # that the scale shows to both sides of 1
_TITLES = {WITHOUT: "without it", ADDED: "beside plain", SAME: "A/A"}
_STYLES = {FASTER: "green", SLOWER: "red"}


def show(conclusion: Conclusion, console: Console | None = None) -> None:
    """Print the plot, what it was by, and what to do."""
    console = console or Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=max(_WIDE_CONSOLE, console.width), file=console.file)
    plan = conclusion.plan
    target = plan.target
    console.print(f"time to {target['metric']} {target['value']:g} ({target['text']}), without / with", markup=False)
    console.print(_table(conclusion.rows, is_wide=console.width >= _WIDE_CONSOLE))
    how = "each arm with its own rate" if plan.tuned else "dropped in, not retuned"
    confidence = f"{plan.rule['confidence']:.0%} over all comparisons together (Holm)"
    console.print(f"{conclusion.blocks} blocks, paired by seed, each run with its own schedule; {how}; {confidence}")
    for name, error in conclusion.failed.items():
        console.print(f"{name} could not be trained: {error}", markup=False)
    if conclusion.stopped:
        console.print(conclusion.stopped, markup=False)
    for holds, words in (conclusion.quiet, conclusion.check):
        if holds is False:
            console.print(words, style="red", markup=False)
    console.print(conclusion.sentence, style="bold", markup=False)


def _table(rows: list[Row], *, is_wide: bool) -> Table:
    reach = max(_reach(row.verdict) for row in rows) if rows else 1.0
    limit, cells = math.log(min(_MOST_RANGE, max(_LEAST_RANGE, reach))), _WIDE if is_wide else _NARROW
    titles = ["", _scale(limit, cells), "ratio", "verdict", "steps", "seconds"]
    if is_wide:
        titles += list(dict.fromkeys(row.metric for row in rows if row.metric))
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in titles:
        table.add_column(title, no_wrap=True)
    kind = None
    for row in rows:
        if row.verdict.kind != kind:
            kind = row.verdict.kind
            table.add_row(Text(_TITLES[kind], style="italic"))
        table.add_row(*_cells(row, limit, cells)[: len(titles)])
    return table


def _cells(row: Row, limit: float, cells: int) -> list[str | Text]:
    """Return a line of the table."""
    one = row.verdict
    tests = ordered(one, row.tests.arm, row.tests.baseline)
    return [
        Text(f"  {one.factor or 'full again'}"),
        Text(bar(one, limit, cells)),
        Text(ratio_text(one)),
        Text(
            one.verdict if one.more_blocks is None else f"{one.verdict} (+{one.more_blocks} blocks)",
            style=_STYLES.get(one.verdict, ""),
        ),
        "-" if one.steps_ratio is None else f"{one.steps_ratio:.2f}",
        f"{one.seconds_ratio:.3g}",
        "" if None in tests else "{:.4f} / {:.4f}".format(*tests),
    ]


def ordered(one: Verdict, arm: float | None, baseline: float | None) -> tuple[float | None, float | None]:
    """Return the values of two arms, that of the one without the heuristic first."""
    return (baseline, arm) if one.kind == ADDED else (arm, baseline)


def ratio_text(one: Verdict) -> str:
    """Return the ratio with its interval; where too many runs missed the target, the shares that reached it."""
    if one.ratio is None:
        return "reached {:.0%} / {:.0%}".format(*ordered(one, one.reached, one.reached_baseline))
    low = "0" if one.low is None else f"{one.low:.2f}"
    high = "∞" if one.high is None else f"{one.high:.2f}"
    return f"{one.ratio:.2f} ({low} to {high})"


def bar(one: Verdict, limit: float, width: int) -> str:
    """Return an interval as a line of characters around a mark at 1, ends beyond the scale as arrows.

    Args:
        one: the verdict.
        limit: the logarithm of the ratio at the right end; the left end is its inverse.
        width: the number of characters, an odd one.
    """
    cells = [" "] * width
    middle = width // 2
    cells[middle] = "┆"
    if one.ratio is None:
        return "".join(cells)
    first, last = _place(one.low, limit, width, 0), _place(one.high, limit, width, width - 1)
    for place in range(first, last + 1):
        cells[place] = "─" if place != middle else "┼"
    low, high = math.exp(-limit), math.exp(limit)
    cells[first] = "◂" if one.low is None or one.low < low else "├" if first < last else cells[first]
    cells[last] = "▸" if one.high is None or one.high > high else "┤" if first < last else cells[last]
    cells[_place(one.ratio, limit, width, middle)] = "●"
    return "".join(cells)


def _place(ratio: float | None, limit: float, width: int, otherwise: int) -> int:
    if ratio is None:
        return otherwise
    share = (math.log(ratio) / limit + 1) / 2
    return min(width - 1, max(0, round(share * (width - 1))))


def _reach(one: Verdict) -> float:
    """Return how far from 1 a verdict reaches, as a factor."""
    ends = [end for end in (one.ratio, one.low, one.high) if end]
    return max((max(end, 1 / end) for end in ends), default=1.0)


def _scale(limit: float, width: int) -> str:
    low, high = f"{math.exp(-limit):.2g}", f"{math.exp(limit):.2g}"
    half = width // 2
    return f"{low:<{half}}1{high:>{width - half - 1}}"
