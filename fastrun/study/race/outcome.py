"""What came out of a race, in words and as data: the comparison on fresh seeds alone, never a figure of the search."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fastrun.redaction import redact_override
from fastrun.report.page.conclusion import span
from fastrun.study.arms import FULL
from fastrun.study.forest import ratio_text
from fastrun.study.race.race import Finish
from fastrun.study.verdict.judge import FASTER, SAME_TIME, SLOWER, UNDECIDED

_WORDS = {
    FASTER: "{winner} is faster: without it, training takes {ratio} times as long",
    SLOWER: "{winner} is slower on fresh seeds: without it, training takes {ratio} times as long",
    SAME_TIME: "{winner} makes no material difference: without it, training takes {ratio} times as long",
    UNDECIDED: "not shown to be faster: without {winner}, training takes {ratio} times as long",
}


def lines(finish: Finish) -> Iterator[str]:
    """Yield what to say of a race."""
    if finish.winner == FULL:
        yield f"nothing beats the given run: it is the best of {finish.tried} candidates; no recipe is written"
    elif finish.row is None:
        yield f"{finish.winner} could not be compared: {finish.failed or 'a run failed'}; no recipe is written"
    else:
        yield from _comparison(finish)
    yield f"race {finish.race.folder}"


def _comparison(finish: Finish) -> Iterator[str]:
    assert finish.row is not None
    assert finish.plan is not None
    one, target = finish.row.verdict, finish.plan.target
    word = _WORDS[one.verdict]
    yield f"time to {target['metric']} {target['value']:g}, the given run / {finish.winner}"
    yield word.format(winner=finish.winner, ratio=ratio_text(one))
    steps = "-" if one.steps_ratio is None else f"{one.steps_ratio:.2f}"
    yield f"steps {steps}, seconds a step {one.seconds_ratio:.3g}, p {one.p:.3g}"
    confidence = f"{finish.plan.rule['confidence']:.0%}"
    yield f"{one.blocks} fresh seeds, paired, each run with its own schedule; {confidence} interval, exact test"
    tests = finish.row.tests
    if tests.arm is not None and tests.baseline is not None:
        yield f"{finish.row.metric}: {tests.baseline:.4f} given, {tests.arm:.4f} raced"
    if finish.recipe is not None:
        yield f"written to {finish.recipe}; train it: fastrun train +recipe={finish.recipe.stem}"
        return
    more = one.more_blocks
    enough = f"; {span(one.blocks + more)} seeds would decide if the ratio stays: race.blocks=…" if more else ""
    yield f"no recipe is written{enough}"


def as_data(finish: Finish) -> dict[str, Any]:
    """Return what came out as a JSON object."""
    return {
        "race": str(finish.race.folder),
        "candidates": finish.tried,
        "winner": finish.winner,
        "overrides": list(map(redact_override, finish.race.candidates[finish.winner].overrides)),
        "verdict": None if finish.row is None else finish.row.plain(),
        "recipe": None if finish.recipe is None else str(finish.recipe),
    }
