"""What comes out of a study: the verdicts, with the test metric of each arm beside them, in verdicts.json."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from statistics import fmean
from typing import Any

from fastrun import compose
from fastrun.errors import FastrunError
from fastrun.report.page.conclusion import conclude as advise
from fastrun.report.page.conclusion import describe_check
from fastrun.report.page.study_files import VerdictRow
from fastrun.storage.atomic import write_atomic
from fastrun.storage.checkpoint.select import select
from fastrun.storage.run_dir import RunDir
from fastrun.study.folder import VERDICTS
from fastrun.study.plan import Plan
from fastrun.study.scored import Scored
from fastrun.study.verdict.contrast import SAME
from fastrun.study.verdict.judge import Verdict, judge

_UNUSED: dict[str, Any] = {"logger": {"_target_": None}, "callbacks": {}}


@dataclass(frozen=True)
class Row:
    """A verdict, and the means of the test metric of its two arms.

    Attributes:
        verdict: the verdict.
        test: the mean of the arm; None without test data.
        test_baseline: that of its baseline.
        metric: the metric, such as ``test/acc``; None without test data.
    """

    verdict: Verdict
    test: float | None
    test_baseline: float | None
    metric: str | None

    def plain(self) -> dict[str, Any]:
        """Return what verdicts.json says."""
        tests = {"test_metric": self.test, "test_metric_baseline": self.test_baseline, "test_metric_name": self.metric}
        return asdict(self.verdict) | tests


@dataclass(frozen=True)
class Conclusion:
    """The end of a study.

    Attributes:
        folder: its folder.
        plan: its plan.
        rows: the verdicts.
        blocks: how many blocks they are by.
        failed: the arms that could not be trained, with their errors.
        stopped: why there are fewer blocks than planned; empty where there are not.
        page: the page about it; None where it cannot be written, as without jinja2.
    """

    folder: Path
    plan: Plan
    rows: list[Row]
    blocks: int
    failed: dict[str, str]
    stopped: str
    page: Path | None

    @property
    def sentence(self) -> str:
        """Return what to keep, what to drop, and what is undecided, and about how many more blocks would decide."""
        return " ".join(advise(self._as_files()).sentences) or "Nothing could be compared."

    @property
    def check(self) -> tuple[bool | None, str]:
        """Return whether the full run was not told from itself, and that in words."""
        return describe_check(next((row for row in self._as_files() if row.kind == SAME), None))

    def _as_files(self) -> list[VerdictRow]:
        """Return the verdicts as they are read from their file."""
        names = {entry.name for entry in fields(VerdictRow)}
        return [VerdictRow(**{key: value for key, value in row.plain().items() if key in names}) for row in self.rows]


def conclude(stage: Scored) -> Conclusion:
    """Judge what was measured, look at the test data once, and write verdicts.json."""
    observations, contrasts = stage.observations(), stage.contrasts
    verdicts = judge(observations, contrasts, stage.plan.decision_rule)
    folder = stage.definition.folder
    tests = _known_tests(folder, verdicts)
    if tests is None:
        names = {name for one in verdicts for name in (one.arm, one.baseline)}
        tests = measure_tests(stage, len(observations), names)
    metric = "test/" + str(stage.plan.target["metric"]).removeprefix("val/")
    rows = [
        Row(
            one, tests.get(one.arm), tests.get(one.baseline), metric if {one.arm, one.baseline} & tests.keys() else None
        )
        for one in verdicts
    ]
    write_atomic(folder / VERDICTS, json.dumps([row.plain() for row in rows], indent=2))
    page = _write_page(folder)
    return Conclusion(folder, stage.plan, rows, len(observations), stage.failed, stage.stopped, page)


def _write_page(folder: Path) -> Path | None:
    try:
        from fastrun.report.page.write import write_page

        return write_page(folder, measures=False)
    except (FastrunError, ImportError):
        return None


def _known_tests(folder: Path, verdicts: list[Verdict]) -> dict[str, float] | None:
    """Return what the test data said at an earlier end of the study; None where there was none with as many blocks."""
    try:
        rows = json.loads((folder / VERDICTS).read_text())
        same = [(row["arm"], row["blocks"]) for row in rows] == [(one.arm, one.blocks) for one in verdicts]
        pairs = [(row["arm"], row["test_metric"]) for row in rows]
        pairs += [(row["baseline"], row["test_metric_baseline"]) for row in rows]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return {name: value for name, value in pairs if value is not None} if same else None


def measure_tests(stage: Scored, blocks: int, names: Iterable[str]) -> dict[str, float]:
    """Return the mean of the test metric of each arm, over the runs that reached the target; none without test data."""
    metric = "test/" + str(stage.plan.target["metric"]).removeprefix("val/")
    climbers = {name: stage.last_run_arm(name) for name in names}
    means: dict[str, float] = {}
    for climber in sorted(set(climbers.values())):
        values: list[float] = []
        for block in range(blocks):
            outcome = stage.walks.last_run(climber, block)
            value = None if outcome is None else _test(outcome.path, metric)
            if value is None and not values and not means:
                return {}  # no test data, or no checkpoints
            values += [] if value is None else [value]
        if values:
            means[climber] = fmean(values)
    return {name: means[climber] for name, climber in climbers.items() if climber in means}


def _test(path: Path, metric: str) -> float | None:
    """Return the test metric of a run's best checkpoint; None where it has none, or the data has no test part."""
    run = RunDir(path)
    try:
        settings = compose.from_config(run.config() | _UNUSED, [])
        checkpoint = select(run.checkpoints, "best", settings.target.metric)
        from fastrun.training.evaluate import evaluate

        return evaluate(settings, checkpoint, "test").get(metric)
    except FastrunError:
        return None
