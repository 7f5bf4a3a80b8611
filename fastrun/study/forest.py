"""The verdicts of a study in a terminal: a forest plot, each ratio with its interval on a logarithmic scale."""

from __future__ import annotations

import math

from rich.console import Console
from rich.table import Table
from rich.text import Text

from fastrun.study.conclusion import Conclusion, Row
from fastrun.study.verdict.contrast import ADDED, SAME, WITHOUT
from fastrun.study.verdict.judge import FASTER, SLOWER, Verdict

_CELLS = 25  # of the scale
_LEAST_RANGE = 1.5  # that the scale shows, at least, to both sides of 1
_TITLES = {WITHOUT: "without it", ADDED: "beside plain", SAME: "A/A"}
_STYLES = {FASTER: "green", SLOWER: "red"}


def show(conclusion: Conclusion, console: Console | None = None) -> None:
    """Print the plot, what it was by, and what to do."""
    console = console or Console(highlight=False)
    if not console.is_terminal:
        console = Console(highlight=False, width=max(120, console.width), file=console.file)
    plan = conclusion.plan
    target = plan.target
    console.print(f"time to {target['metric']} {target['value']:g} ({target['text']}), without / with", markup=False)
    console.print(_table(conclusion.rows))
    how = "each arm with its own rate" if plan.tuned else "dropped in, not retuned"
    confidence = f"{plan.rule['confidence']:.0%} over all comparisons together (Holm)"
    console.print(f"{conclusion.blocks} blocks, paired by seed, each run with its own schedule; {how}; {confidence}")
    for name, error in conclusion.failed.items():
        console.print(f"{name} could not be trained: {error}", markup=False)
    if conclusion.stopped:
        console.print(conclusion.stopped, markup=False)
    if not conclusion.is_trusted:
        console.print("the full run is told from itself: these verdicts cannot be trusted on this machine", style="red")
    console.print(conclusion.sentence, style="bold", markup=False)


def _table(rows: list[Row]) -> Table:
    limit = math.log(max([_LEAST_RANGE, *(_reach(row.verdict) for row in rows)]))
    has_tests = any(row.metric for row in rows)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("", _scale(limit), "ratio", "verdict", "steps", "seconds"):
        table.add_column(title, no_wrap=True)
    if has_tests:
        table.add_column(next(row.metric for row in rows if row.metric) or "")
    kind = None
    for row in rows:
        one = row.verdict
        if one.kind != kind:
            kind = one.kind
            table.add_row(Text(_TITLES[kind], style="italic"), *[""] * (5 + has_tests))
        word = one.verdict if one.more_blocks is None else f"{one.verdict} (+{one.more_blocks} blocks)"
        cells: list[str | Text] = [
            Text(f"  {one.factor or 'full again'}"),
            Text(bar(one, limit)),
            Text(ratio_text(one)),
            Text(word, style=_STYLES.get(one.verdict, "")),
            "-" if one.steps_ratio is None else f"{one.steps_ratio:.2f}",
            f"{one.seconds_ratio:.3g}",
        ]
        if has_tests:
            is_known = row.test is not None and row.test_baseline is not None
            cells.append(f"{row.test:.4f} / {row.test_baseline:.4f}" if is_known else "")
        table.add_row(*cells)
    return table


def ratio_text(one: Verdict) -> str:
    """Return the ratio with its interval; where too many runs missed the target, the shares that reached it."""
    if one.ratio is None:
        return f"reached {one.reached:.0%} / {one.reached_baseline:.0%}"
    low = "0" if one.low is None else f"{one.low:.2f}"
    high = "∞" if one.high is None else f"{one.high:.2f}"
    return f"{one.ratio:.2f} ({low} to {high})"


def bar(one: Verdict, limit: float) -> str:
    """Return an interval as a line of characters around a mark at 1, ends beyond the scale as arrows.

    Args:
        one: the verdict.
        limit: the logarithm of the ratio at the right end; the left end is its inverse.
    """
    cells = [" "] * _CELLS
    middle = _CELLS // 2
    cells[middle] = "┆"
    if one.ratio is None:
        return "".join(cells)
    first, last = _place(one.low, limit, 0), _place(one.high, limit, _CELLS - 1)
    for place in range(first, last + 1):
        cells[place] = "─" if place != middle else "┼"
    cells[first] = "◂" if one.low is None else "├" if first < last else cells[first]
    cells[last] = "▸" if one.high is None else "┤" if first < last else cells[last]
    cells[_place(one.ratio, limit, middle)] = "●"
    return "".join(cells)


def _place(ratio: float | None, limit: float, otherwise: int) -> int:
    if ratio is None:
        return otherwise
    share = (math.log(ratio) / limit + 1) / 2
    return min(_CELLS - 1, max(0, round(share * (_CELLS - 1))))


def _reach(one: Verdict) -> float:
    """Return how far from 1 a verdict reaches, as a factor."""
    ends = [end for end in (one.ratio, one.low, one.high) if end]
    return max((max(end, 1 / end) for end in ends), default=1.0)


def _scale(limit: float) -> str:
    low, high = f"{math.exp(-limit):.2g}", f"{math.exp(limit):.2g}"
    half = _CELLS // 2
    return f"{low:<{half}}1{high:>{_CELLS - half - 1}}"
