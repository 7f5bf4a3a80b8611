"""What a study is called, what its words mean, and how much its blocks can show: for a reader who knows none of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from fastrun.report.location import is_race
from fastrun.report.page.number_format import number, p_value, plural
from fastrun.report.page.study_files import StudyFiles, VerdictRow


def title_of(study: StudyFiles) -> str:
    """Return what was studied, such as ``What helped resnet_amp reach val/acc 0.97``."""
    name, target = study.folder.parent.name, study.plan.get("target")
    goal = f" reach {target.get('metric')} {number(target.get('value'))}" if isinstance(target, dict) else ""
    if is_race(study.folder):
        return f"What makes {name}{goal} sooner" if goal else f"A faster {name}"
    return f"What {'helped' if study.verdicts else 'helps'} {name}{goal}"


def explain_words(study: StudyFiles) -> Iterator[tuple[str, str]]:
    """Yield each word that the page of a study with verdicts uses, and what it means there; together a sentence."""
    name, arms = study.folder.parent.name, {row.kind: row.arm for row in reversed(study.verdicts)}
    if is_race(study.folder):
        yield "Full", f"is the recipe as it was typed, {name}; the other arm is the best that the search found."
    else:
        without = arms.get("without", "full - norm")
        yield "Full", f"is the recipe as it was typed, {name}; “{without}” is full without a heuristic."
        if "added" in arms:
            yield "Plain", f"is the run without all of the heuristics; “{arms['added']}” has one of them."
    yield "A block", "is one seed: every arm is trained with it, and arms are compared within it."
    yield (
        "Pilot runs",
        "came first, on seeds of their own, and do not count: they set how long runs may become, and the target where "
        "none is given.",
    )
    if "same" in arms:
        yield (
            "A/A",
            "is full beside itself on other seeds: what it shows is chance, and more of it than within a block.",
        )


def describe_least_p(rows: Sequence[VerdictRow], confidence: float) -> str:
    """Return the smallest p that so many blocks can give, and whether that is enough, in a sentence.

    Args:
        rows: the verdicts, by an exact test of signed ranks or of signs. Where there is none but the A/A, the sentence
            is empty.
        confidence: of all claims together.
    """
    blocks, claims = max(row.blocks for row in rows), sum(row.kind != "same" for row in rows)
    if not claims:
        return ""
    least = min(1.0, 0.5 ** (blocks - 1))
    adjusted = min(1.0, claims * least)
    beside = f", or {p_value(adjusted)} adjusted for {claims} comparisons" if claims > 1 else ""
    enough = "which can show a difference where nearly all blocks agree"
    if adjusted > round(1 - confidence, 12):
        enough = "which shows no difference, however large: more blocks would"
    return f"With {plural(blocks, 'block')} the smallest possible p is {p_value(least)}{beside}, {enough}."
