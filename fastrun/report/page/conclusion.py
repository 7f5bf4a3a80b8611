"""What a study found, in sentences: what to keep, what to drop, and what is undecided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastrun.config.monitor import Monitor
from fastrun.report.page.forest import interval
from fastrun.report.page.number_format import enumerate_words, percent, ratio
from fastrun.report.page.study_files import VerdictRow


@dataclass(frozen=True)
class Conclusion:
    """The factors by what to do with them.

    Attributes:
        keep: training is faster with them, in the recipe or alone.
        drop: it is slower with them, or they make no material difference.
        undecided: neither is known.
        sentences: what to keep, what to drop, and what is not known, in words.
        more_blocks: how many more blocks would decide all that can be decided; None where none would help.
    """

    keep: list[str]
    drop: list[str]
    undecided: list[str]
    sentences: list[str]
    more_blocks: int | None


def conclude(verdicts: Sequence[VerdictRow], *, is_tuned: bool = False) -> Conclusion:
    """Return what verdicts say together: of the recipe without each factor, and of each factor alone.

    Args:
        verdicts: the verdicts.
        is_tuned: whether each arm has a learning rate of its own.
    """
    rows: dict[str, dict[str, VerdictRow]] = {}
    for row in verdicts:
        if row.kind != "same":
            rows.setdefault(row.factor, {})[row.kind] = row
    advice = {factor: _advise(list(of_factor.values())) for factor, of_factor in rows.items()}

    def of(word: str) -> list[str]:
        return [factor for factor, advised in advice.items() if advised == word]

    more = [row.more_blocks for factor in of("undecided") for row in rows[factor].values() if row.more_blocks]
    sentences = [
        *_sentence(
            "Keep",
            [
                f"{factor} ({_gain(rows[factor])}{_cost(rows[factor])}{_caveat(factor, is_tuned)})"
                for factor in of("keep")
            ],
        ),
        *_sentence("Drop", [f"{factor} ({_loss(rows[factor])})" for factor in of("drop")]),
        *_sentence("It depends on the others:", of("mixed")),
        *_sentence("Undecided:", [f"{factor} ({_wants(rows[factor])})" for factor in of("undecided")]),
    ]
    return Conclusion(of("keep"), of("drop"), of("undecided"), sentences, max(more) if more else None)


def is_worse_on_test(row: VerdictRow) -> bool:
    """Say whether the side with the heuristic is worse on test data, by an interval that leaves out no difference."""
    low, high = row.test_difference_low, row.test_difference_high
    if low is None or high is None or row.kind == "same":
        return False
    if row.kind == "without":  # the interval is that of the arm less its baseline, which has the heuristic here
        low, high = -high, -low
    monitor = Monitor.of_record({"metric": row.test_metric_name, "higher_is_better": row.higher_is_better})
    return high < 0 if monitor.higher_is_better else low > 0


def is_untuned(factor: str, *, is_tuned: bool) -> bool:
    """Say whether what replaces a factor has a learning rate that nobody has looked for: that of another optimizer."""
    return not is_tuned and factor.partition("=")[0] == "optimizer"


def _cost(rows: Mapping[str, VerdictRow]) -> str:
    return "; on test data it ends worse with it" if any(map(is_worse_on_test, rows.values())) else ""


def _caveat(factor: str, is_tuned: bool) -> str:
    return "; what replaces it was not retuned" if is_untuned(factor, is_tuned=is_tuned) else ""


def describe_check(row: VerdictRow | None) -> tuple[bool | None, str]:
    """Return whether the recipe against itself came out as no difference, and that in words.

    Args:
        row: the verdict on the recipe and itself; None where there is none.

    Returns:
        True or False, None where it was not checked; and a sentence.
    """
    if row is None:
        return None, "The recipe was not compared with itself, so nothing shows how far chance goes here."
    is_apart = row.verdict in ("faster", "slower", "told apart")
    holds = not is_apart and (row.low or 0) <= 1 <= (row.high or float("inf"))
    against = f"The recipe against itself came out as {ratio(row.ratio)} ({interval(row)})"
    if holds:
        return (
            True,
            f"{against}: not told apart, for the interval holds 1. Its width is how far chance goes from seed to seed.",
        )
    return False, f"{against}: told apart, so the other ratios cannot be trusted on this machine."


def _advise(rows: Sequence[VerdictRow]) -> str:
    """Return what to do with a factor: ``keep``, ``drop``, ``mixed`` or ``undecided``."""
    words = {row.verdict for row in rows}
    if words >= {"faster", "slower"}:
        return "mixed"
    if "faster" in words:
        return "keep"
    return "drop" if "slower" in words or words == {"no material difference"} else "undecided"


def _with_verdict(rows: Mapping[str, VerdictRow], verdict: str) -> VerdictRow | None:
    """Return the contrast with a verdict: that of the recipe without the factor, if it has it."""
    found = [rows[kind] for kind in ("without", "added") if kind in rows and rows[kind].verdict == verdict]
    return found[0] if found else None


def _gain(rows: Mapping[str, VerdictRow]) -> str:
    row = _with_verdict(rows, "faster")
    if row is None:
        return "the target is reached more often, or sooner, with it"
    if row.ratio is None:
        return _reached(row)
    if row.kind == "without":
        return f"without it, training takes {ratio(row.ratio)} times as long, {interval(row)}"
    beside = f"; beside the others it is {rows['without'].verdict}" if "without" in rows else ""
    return f"alone, it makes training {ratio(row.ratio)} times as fast, {interval(row)}{beside}"


def _reached(row: VerdictRow) -> str:
    """Return how many runs reach the target with and without a factor; where these are as many, they do so sooner."""
    pair = row.reached_baseline, row.reached
    with_it, without = pair if row.kind == "without" else pair[::-1]
    if with_it == without:
        return "the target is reached sooner with it"
    return f"{percent(with_it)} of the runs reach the target with it, {percent(without)} without"


def _loss(rows: Mapping[str, VerdictRow]) -> str:
    row = _with_verdict(rows, "slower")
    if row is None:
        return "no material difference"
    if not row.ratio:
        return "the target is reached less often, or later, with it"
    return f"with it, training takes {ratio(1 / row.ratio)} times as long"


def _wants(rows: Mapping[str, VerdictRow]) -> str:
    enough = [row.blocks + row.more_blocks for row in rows.values() if row.more_blocks]
    if not enough:
        return "these blocks do not tell how many more it needs"
    blocks = max(enough)
    return f"a new study would decide it with even odds with {blocks} blocks, in about 80 % of cases with {2 * blocks}"


def span(blocks: int) -> str:
    """Return how many blocks decide, in words: from even odds to about 80 %, which takes twice as many.

    Args:
        blocks: with how many the interval would just leave out 1, if the ratio stays what it is.
    """
    return f"{blocks} to {2 * blocks}"


def _sentence(verb: str, words: list[str]) -> list[str]:
    return [f"{verb} {enumerate_words(words)}."] if words else []
