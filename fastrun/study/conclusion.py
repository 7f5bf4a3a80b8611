"""What comes out of a study: the verdicts, with the test metric of each arm beside them, in verdicts.json."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from fastrun.errors import FastrunError
from fastrun.report.page.conclusion import conclude as advise
from fastrun.report.page.conclusion import describe_check, is_untuned
from fastrun.report.page.screened import screened_out
from fastrun.report.page.study_files import VerdictRow
from fastrun.report.page.study_words import describe_least_p
from fastrun.report.page.timing import TIMING, Timing, describe_quiet
from fastrun.storage.atomic import write_atomic
from fastrun.study.arms import FULL
from fastrun.study.folder import VERDICTS
from fastrun.study.held_out import HeldOut, held_out, metric_name
from fastrun.study.pairs import Explored
from fastrun.study.plan import Plan
from fastrun.study.scored import Scored
from fastrun.study.verdict.check import as_check
from fastrun.study.verdict.contrast import SAME
from fastrun.study.verdict.judge import Verdict, judge

SCREENED = "screened"  # the kind of the line of a factor that was screened out


@dataclass(frozen=True)
class Row:
    """A verdict, and the test metric of its two arms.

    Attributes:
        verdict: the verdict.
        tests: what test data says.
        metric: the metric, such as ``test/acc``; None without test data.
        higher_is_better: whether larger values of it are better.
        is_untuned: whether another optimizer was compared at a rate that nobody has looked for.
    """

    verdict: Verdict
    tests: HeldOut = field(default_factory=HeldOut)
    metric: str | None = None
    higher_is_better: bool = True
    is_untuned: bool = False

    def plain(self) -> dict[str, Any]:
        """Return what verdicts.json says."""
        metric = {"test_metric_name": self.metric, "higher_is_better": self.higher_is_better}
        return asdict(self.verdict) | self.tests.plain() | metric


@dataclass(frozen=True, repr=False)
class Conclusion:
    """The end of a study.

    Attributes:
        folder: its folder.
        plan: its plan.
        rows: the verdicts.
        blocks: how many blocks they are by.
        failed: the arms that could not be trained, with their errors.
        stopped: why there are fewer blocks than planned; empty where there are not.
        timing: how quiet the machine was while steps were timed.
        page: the page about it; None where it cannot be written, as without jinja2.
        pairs: what the pairs of factors show that were explored, as verdicts.json has it.
    """

    folder: Path
    plan: Plan
    rows: list[Row]
    blocks: int
    failed: dict[str, str]
    stopped: str
    timing: Timing
    page: Path | None
    pairs: list[dict[str, Any]] = field(default_factory=list)

    @property
    def verdicts(self) -> list[dict[str, Any]]:
        """Return what verdicts.json says: the verdicts, the factors that were screened out, and the pairs."""
        return [*(row.plain() for row in self.rows), *_screened_out(self.plan.screening), *self.pairs]

    def __repr__(self) -> str:
        """Return its folder and what it comes to."""
        return f"<Study {self.folder}: {self.sentence}>"

    @property
    def sentence(self) -> str:
        """Return what to keep, what to drop, and what is undecided, and about how many more blocks would decide."""
        return " ".join(advise(self._as_files(), is_tuned=self.plan.tuned).sentences) or "Nothing could be compared."

    @property
    def check(self) -> tuple[bool | None, str]:
        """Return whether the full run was not told from itself, and that in words."""
        return describe_check(next((row for row in self._as_files() if row.kind == SAME), None))

    @property
    def quiet(self) -> tuple[bool | None, str]:
        """Return whether the machine was quiet while steps were timed, and that in words."""
        same = next((row.verdict for row in self.rows if row.verdict.kind == SAME), None)
        return describe_quiet(self.timing, None if same is None else same.seconds_ratio)

    @property
    def least_p(self) -> str:
        """Return in words what so many blocks can show at most; nothing where they are looked at one by one."""
        rule = self.plan.decision_rule
        return "" if rule.sequential or not self.rows else describe_least_p(self._as_files(), rule.confidence)

    def _as_files(self) -> list[VerdictRow]:
        """Return the verdicts as they are read from their file."""
        names = {entry.name for entry in fields(VerdictRow)}
        return [VerdictRow(**{key: value for key, value in row.plain().items() if key in names}) for row in self.rows]


def conclude(stage: Scored, explored: Explored | None = None) -> Conclusion:
    """Judge what was measured, look at the test data once, and write verdicts.json and timing.json.

    Args:
        stage: the runs that count.
        explored: those of pairs of factors; None where there are none.
    """
    observations, folder = stage.observations(), stage.definition.folder
    verdicts = [as_check(one) for one in judge(observations, stage.contrasts, stage.plan.decision_rule)]
    tests, metric = held_out(stage, verdicts, len(observations)), metric_name(stage)
    rows = [
        Row(
            one,
            test,
            None if test.arm is None and test.baseline is None else metric,
            stage.walks.higher_is_better,
            is_untuned(one.factor, is_tuned=stage.plan.tuned),
        )
        for one, test in zip(verdicts, tests, strict=True)
    ]
    timing = _write_timing(stage)
    pairs, failed = ([], {}) if explored is None else (explored.lines(), explored.failed)
    found = Conclusion(
        folder, stage.plan, rows, len(observations), failed | stage.failed, stage.stopped, timing, None, pairs
    )
    write_atomic(folder / VERDICTS, json.dumps(found.verdicts, indent=2))
    return replace(found, page=_write_page(folder))


def _screened_out(screening: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what verdicts.json says of the factors that were screened out, from what plan.json says."""
    return [
        {
            "factor": name,
            "kind": SCREENED,
            "arm": f"{FULL} - {name}",
            "baseline": FULL,
            "verdict": "screened out, not tested",
            **{f"screening_{key}": value for key, value in effect.items()},
        }
        for name, effect in screened_out(screening).items()
    ]


def _write_timing(stage: Scored) -> Timing:
    """Write what every round measured, and return how quiet the machine was."""
    rounds = stage.rounds.describe()
    timing = Timing.of([list(one["cpu_shares"].values()) for one in rounds])
    content = {"cpu_share": timing.cpu_share, "worst_round": timing.worst, "rounds": rounds}
    write_atomic(stage.definition.folder / TIMING, json.dumps(content, indent=2))
    return timing


def _write_page(folder: Path) -> Path | None:
    try:
        from fastrun.report.page.write import write_page

        return write_page(folder, measures=False)
    except (FastrunError, ImportError):
        return None
