"""The verdicts of a study in a terminal: a forest plot, each ratio with its interval on a logarithmic scale."""

from __future__ import annotations

import math

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from fastrun.report.page.pair import describe_pair
from fastrun.report.page.screened import describe_screening
from fastrun.study.conclusion import Conclusion, Row
from fastrun.study.verdict.contrast import ADDED, SAME, WITHOUT
from fastrun.study.verdict.judge import FASTER, SLOWER, Verdict

_WIDE, _NARROW = 25, 11  # characters of the scale
_WIDE_CONSOLE = 118  # characters that are enough for the whole table, where nobody sees how wide the output is
_SCALE, _RATIO, _VERDICT, _STEPS, _SECONDS, _TEST = "scale", "ratio", "verdict", "steps", "seconds", "test"
_ALL = (_SCALE, _RATIO, _VERDICT, _STEPS, _SECONDS, _TEST)
_LAYOUTS = (  # columns and characters of the scale, the widest first; the first that fits is drawn
    (_ALL, _WIDE),
    (_ALL, _NARROW),
    ((_SCALE, _RATIO, _VERDICT, _STEPS, _SECONDS), _NARROW),
    ((_RATIO, _VERDICT, _STEPS, _SECONDS), 0),
    ((_RATIO, _VERDICT), 0),
)
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
    console.print(_fitting(conclusion.rows, console))
    how = "each arm with its own rate" if plan.tuned else "dropped in, not retuned"
    confidence = f"{plan.rule['confidence']:.0%} over all comparisons together (Holm)"
    console.print(f"{conclusion.blocks} blocks, paired by seed, each run with its own schedule; {how}; {confidence}")
    if conclusion.least_p:
        console.print(conclusion.least_p)
    if plan.screening:
        console.print(describe_screening(plan.screening), markup=False)
    for pair in conclusion.pairs:
        console.print(f"explored, no verdict: {describe_pair(pair)}", markup=False)
    for name, error in conclusion.failed.items():
        console.print(f"{name} could not be trained: {error}", markup=False)
    if conclusion.stopped:
        console.print(conclusion.stopped, markup=False)
    if "noise" in target:
        console.print(target["noise"], style="red", markup=False)
    for holds, words in (conclusion.quiet, conclusion.check):
        if holds is False:
            console.print(words, style="red", markup=False)
    console.print(conclusion.sentence, style="bold", markup=False)


def _fitting(rows: list[Row], console: Console) -> Table:
    """Return the widest table that fits, so that no cell is cut off; in the narrowest one, words are folded."""
    for columns, cells in _LAYOUTS:
        table = _table(rows, columns, cells)
        if Measurement.get(console, console.options.update(max_width=1 << 16), table).maximum <= console.width:
            return table
    for column in table.columns:
        column.no_wrap = False
        column.overflow = "fold"
    return table


def _table(rows: list[Row], columns: tuple[str, ...], cells: int) -> Table:
    """Return the table with some of its columns, and a scale of so many characters."""
    reach = max(_reach(row.verdict) for row in rows) if rows else 1.0
    limit = math.log(min(_MOST_RANGE, max(_LEAST_RANGE, reach)))
    metric = next((row.metric for row in rows if row.metric), None)
    titles = {_SCALE: _scale(limit, cells) if cells else "", _TEST: metric or ""}
    columns = columns if metric else tuple(name for name in columns if name != _TEST)
    table = Table(box=None, pad_edge=False, header_style="dim")
    for title in ("", *(titles.get(name, name) for name in columns)):
        table.add_column(title, no_wrap=True)
    kind = None
    for row in rows:
        if row.verdict.kind != kind:
            kind = row.verdict.kind
            table.add_row(Text(_TITLES[kind], style="italic"))
        found = _cells(row, limit, cells)
        table.add_row(Text(f"  {row.verdict.factor or 'full again'}"), *(found[name] for name in columns))
    return table


def _cells(row: Row, limit: float, cells: int) -> dict[str, str | Text]:
    """Return the cells of a line by their columns."""
    one = row.verdict
    tests = ordered(one, row.tests.arm, row.tests.baseline)
    return {
        _SCALE: Text(bar(one, limit, cells) if cells else ""),
        _RATIO: Text(ratio_text(one)),
        _VERDICT: Text(one.verdict + ", not retuned" * row.is_untuned, style=_STYLES.get(one.verdict, "")),
        _STEPS: "-" if one.steps_ratio is None else f"{one.steps_ratio:.2f}",
        _SECONDS: f"{one.seconds_ratio:.3g}",
        _TEST: "" if None in tests else "{:.4f} / {:.4f}".format(*tests),
    }


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
