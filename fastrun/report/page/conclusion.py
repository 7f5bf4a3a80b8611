"""What a study found, in sentences: what to keep, what to drop, and what is undecided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from fastrun.report.page.forest import interval
from fastrun.report.page.number_format import enumerate_words, ratio
from fastrun.report.page.study_files import VerdictRow


@dataclass(frozen=True)
class Conclusion:
    """The factors by what to do with them.

    Attributes:
        keep: training is faster with them.
        drop: it is slower with them.
        same: they make no material difference.
        undecided: what is not known yet.
        shared: they are faster alone, though not shown to be so beside the others.
        sentences: all of that in words.
        more_blocks: how many more blocks would decide all that can be decided; None where none would help.
    """

    keep: list[str]
    drop: list[str]
    same: list[str]
    undecided: list[str]
    shared: list[str]
    sentences: list[str]
    more_blocks: int | None


def conclude(verdicts: Sequence[VerdictRow]) -> Conclusion:
    """Return what verdicts say together.

    A factor is judged by what the full recipe loses without it; where the study has no such contrast, by what it does
    alone.
    """
    added = {row.factor: row for row in verdicts if row.kind == "added"}
    decisive = added | {row.factor: row for row in verdicts if row.kind == "without"}
    groups: dict[str, list[str]] = {"faster": [], "slower": [], "no material difference": [], "undecided": []}
    for factor, row in decisive.items():
        groups.setdefault(row.verdict, []).append(factor)
    keep, drop, same = groups["faster"], groups["slower"], groups["no material difference"]
    undecided = groups["undecided"]
    shared = [
        factor
        for factor, row in decisive.items()
        if row.kind == "without" and row.verdict != "faster" and _is_faster(added.get(factor))
    ]
    more = [row.more_blocks for factor in undecided if (row := decisive[factor]).more_blocks]
    sentences = [
        *_sentence("Keep", [f"{factor} ({_gain(decisive[factor])})" for factor in keep]),
        *_sentence("Drop", [f"{factor} ({_loss(decisive[factor])})" for factor in drop]),
        *_sentence("No material difference:", same, "so leave out what costs anything else"),
        *_undecided(undecided, decisive),
        *_sentence("Faster alone, but not shown to be beside the others:", shared, "what they bring is shared"),
    ]
    return Conclusion(keep, drop, same, undecided, shared, sentences, max(more) if more else None)


def describe_check(row: VerdictRow | None) -> tuple[bool | None, str]:
    """Return whether the recipe against itself came out as no difference, and that in words.

    Args:
        row: the verdict on the recipe and itself; None where there is none.

    Returns:
        True or False, None where it was not checked; and a sentence.
    """
    if row is None:
        return None, "The recipe was not compared with itself, so nothing shows how far chance goes here."
    holds = row.verdict not in ("faster", "slower") and (row.low or 0) <= 1 <= (row.high or float("inf"))
    if holds:
        return (
            True,
            f"The recipe against itself came out as {ratio(row.ratio)} ({interval(row)}), which holds 1, as it must.",
        )
    return False, (
        f"The recipe against itself came out as {ratio(row.ratio)} ({interval(row)}). That does not hold 1, so the "
        "other ratios cannot be trusted on this machine."
    )


def _is_faster(row: VerdictRow | None) -> bool:
    return row is not None and row.verdict == "faster"


def _gain(row: VerdictRow) -> str:
    if row.ratio is None:
        return "the target is reached more often with it"
    return f"without it, training takes {ratio(row.ratio)} times as long, {interval(row)}"


def _loss(row: VerdictRow) -> str:
    if not row.ratio:
        return "the target is reached less often with it"
    return f"with it, training takes {ratio(1 / row.ratio)} times as long"


def _sentence(verb: str, words: list[str], rest: str = "") -> list[str]:
    return [f"{verb} {enumerate_words(words)}{f', {rest}' if rest else ''}."] if words else []


def _undecided(factors: list[str], rows: Mapping[str, VerdictRow]) -> list[str]:
    words = []
    for factor in factors:
        more = rows[factor].more_blocks
        words.append(
            f"{factor} (about {more} more blocks would decide)" if more else f"{factor} (more blocks would hardly help)"
        )
    return _sentence("Undecided:", words)
