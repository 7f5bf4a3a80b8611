"""What the files of a study say, without secrets."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from fastrun.errors import StorageError
from fastrun.redaction import redact, redact_message
from fastrun.report.page.timing import Timing, read_timing
from fastrun.storage.run_dir import RunDir
from fastrun.system.process import Process

_CONTRASTS = "without", "added", "same"


@dataclass(frozen=True)
class VerdictRow:
    """The verdict on a contrast of two arms, as verdicts.json has it.

    A ratio is the time of the side that lacks the heuristic through the time of the side that has it: 1.9 says that
    without it, training takes 1.9 times as long.

    Attributes:
        factor: the heuristic; empty where the full recipe met itself.
        kind: ``without`` (the recipe less the heuristic), ``added`` (it alone), or ``same``.
        arm: the arm.
        baseline: the arm that it is compared with.
        verdict: ``faster``, ``slower``, ``no material difference`` or ``undecided``; of the recipe and itself
            ``told apart`` or ``not told apart``.
        ratio: of the seconds to the target; None where too many runs missed it.
        low: the lower end of its interval; None where there is none.
        high: the upper end; None where there is none.
        p: of the test.
        p_adjusted: for all contrasts of the study.
        steps_ratio: of the steps to the target.
        seconds_ratio: of the seconds a step.
        reached: the share of blocks in which the arm reached the target.
        reached_baseline: the share in which the baseline did.
        probability_faster: that the side with the heuristic is faster in a block.
        blocks: how many there were.
        more_blocks: how many more would decide with even odds; None where that cannot be told, or none are needed.
        test_metric: of the arm, on test data.
        test_metric_baseline: of the baseline.
        test_metric_name: which metric.
        higher_is_better: whether larger values of it are better; None in files of earlier versions.
        test_difference_low: the lower end of the interval of their difference, the arm less the baseline.
        test_difference_high: its upper end.
    """

    factor: str
    kind: str
    arm: str
    baseline: str
    verdict: str
    ratio: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    p_adjusted: float | None = None
    steps_ratio: float | None = None
    seconds_ratio: float | None = None
    reached: float | None = None
    reached_baseline: float | None = None
    probability_faster: float | None = None
    blocks: int = 0
    more_blocks: int | None = None
    test_metric: float | None = None
    test_metric_baseline: float | None = None
    test_metric_name: str | None = None
    higher_is_better: bool | None = None
    test_difference_low: float | None = None
    test_difference_high: float | None = None


@dataclass(frozen=True)
class StudyFiles:
    """A study as its files have it.

    Attributes:
        folder: its folder.
        plan: plan.json; empty where the study has not got that far.
        typed: study.json, what was typed.
        verdicts: the verdicts in verdicts.json; empty where it is not finished.
        pairs: the lines of verdicts.json on pairs of factors that were explored.
        timing: timing.json, how quiet the machine was.
        refusal: why no study can be made of it, as refused.json says; empty where it can go on.
        is_running: whether a process carries it on.
    """

    folder: Path
    plan: dict[str, Any]
    typed: dict[str, Any]
    verdicts: list[VerdictRow]
    pairs: list[dict[str, Any]]
    timing: Timing
    refusal: str
    is_running: bool


def read_study(folder: Path) -> StudyFiles:
    """Read the files of a study, which may be unfinished.

    Raises:
        StorageError: verdicts.json is there and cannot be read.
    """
    files = RunDir(folder)
    plan, typed = (redact(files.read(name), redact_message) for name in ("plan.json", "study.json"))
    verdicts, pairs = _verdicts(folder / "verdicts.json")
    refused, holder = redact(files.read("refused.json"), redact_message), Process.of(files.read("lock"))
    return StudyFiles(
        folder,
        plan,
        typed,
        verdicts,
        pairs,
        read_timing(folder),
        refusal=". ".join(str(refused[key]) for key in ("error", "hint") if refused.get(key)),
        is_running=holder is not None and not holder.is_gone(),
    )


def _verdicts(path: Path) -> tuple[list[VerdictRow], list[dict[str, Any]]]:
    """Return the verdicts, and the lines on pairs; plan.json says more of what was screened out."""
    if not path.exists():
        return [], []
    known = {field.name for field in fields(VerdictRow)}
    try:
        content = redact(json.loads(path.read_text()), redact_message)
        rows = [VerdictRow(**{key: value for key, value in row.items() if key in known}) for row in content]
        return [row for row in rows if row.kind in _CONTRASTS], [row for row in content if row["kind"] == "pair"]
    except (OSError, ValueError, TypeError, AttributeError) as error:
        hint = "`fastrun resume` of the study writes it anew"
        raise StorageError(f"cannot read the verdicts in {path}: {error}", hint) from error
