"""What test data says of the arms of a study: it is looked at once, at the end, and decides nothing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

from fastrun import compose
from fastrun.errors import FastrunError
from fastrun.report.compare.groups import statistics_of
from fastrun.storage.checkpoint.select import select
from fastrun.storage.run_dir import RunDir
from fastrun.study.folder import VERDICTS
from fastrun.study.scored import Scored
from fastrun.study.verdict.contrast import KINDS
from fastrun.study.verdict.judge import Verdict

_FEWEST_PAIRS = 3  # blocks that an interval is by
_FIELDS = {
    "arm": "test_metric",
    "baseline": "test_metric_baseline",
    "low": "test_difference_low",
    "high": "test_difference_high",
}


@dataclass(frozen=True)
class HeldOut:
    """The test metric of two arms.

    Attributes:
        arm: the mean of the arm over the blocks; None without test data.
        baseline: that of its baseline.
        low: the lower end of the 95 % interval of the mean difference within a block, the arm less its baseline; None
            for too few blocks.
        high: its upper end.
    """

    arm: float | None = None
    baseline: float | None = None
    low: float | None = None
    high: float | None = None

    def plain(self) -> dict[str, float | None]:
        """Return what verdicts.json says."""
        return {key: getattr(self, name) for name, key in _FIELDS.items()}


def held_out(stage: Scored, verdicts: Sequence[Verdict], blocks: int) -> list[HeldOut]:
    """Return the test metric of the two arms of each verdict, by runs that reached the target or are the longest.

    Args:
        stage: the runs.
        verdicts: the verdicts.
        blocks: the number of blocks that they are by.
    """
    known = _known(stage.definition.folder, verdicts)
    if known is not None:
        return known
    values = _measure(stage, blocks, {name for one in verdicts for name in (one.arm, one.baseline)})
    return [compare_tests(values.get(one.arm, {}), values.get(one.baseline, {})) for one in verdicts]


def compare_tests(arm: dict[int, float], baseline: dict[int, float]) -> HeldOut:
    """Return the means of two arms, and the interval of their difference, from their values by block."""
    differences = [arm[block] - baseline[block] for block in arm if block in baseline]
    ends = statistics_of(differences) if len(differences) >= _FEWEST_PAIRS else None
    return HeldOut(
        fmean(arm.values()) if arm else None,
        fmean(baseline.values()) if baseline else None,
        None if ends is None else ends.low,
        None if ends is None else ends.high,
    )


def _known(folder: Path, verdicts: Sequence[Verdict]) -> list[HeldOut] | None:
    """Return what the test data said at an earlier end of the study; None where there was none with as many blocks."""
    try:
        rows = [row for row in json.loads((folder / VERDICTS).read_text()) if row["kind"] in KINDS]
        is_same = [(row["arm"], row["blocks"]) for row in rows] == [(one.arm, one.blocks) for one in verdicts]
        found = [HeldOut(**{name: row[key] for name, key in _FIELDS.items()}) for row in rows]
    except (OSError, ValueError, LookupError, TypeError):
        return None
    return found if is_same and any(one.arm is not None for one in found) else None


def _measure(stage: Scored, blocks: int, names: set[str]) -> dict[str, dict[int, float]]:
    """Return the test metric of each arm by block; nothing without test data or checkpoints."""
    metric = metric_name(stage)
    climbers = {name: stage.last_run_arm(name) for name in names}
    values: dict[str, dict[int, float]] = {}
    for climber in sorted(set(climbers.values())):
        of_arm: dict[int, float] = {}
        for block in range(blocks):
            outcome = stage.walks.last_run(climber, block)
            value = None if outcome is None else _test(outcome.path, metric)
            if value is None and not of_arm and not values:
                return {}
            if value is not None:
                of_arm[block] = value
        if of_arm:
            values[climber] = of_arm
    return {name: values[climber] for name, climber in climbers.items() if climber in values}


def metric_name(stage: Scored) -> str:
    """Return the name of the metric on test data."""
    return "test/" + str(stage.plan.target["metric"]).removeprefix("val/")


def _test(path: Path, metric: str) -> float | None:
    """Return the test metric of a run's best checkpoint; None where it has none, or the data has no test part."""
    run = RunDir(path)
    try:
        settings = compose.from_config(run.config(), [], has_trackers=False)
        checkpoint = select(run.checkpoints, "best", settings.target.metric, settings.metrics)
        from fastrun.training.trained.evaluate import evaluate

        return evaluate(settings, checkpoint, "test").get(metric)
    except FastrunError:
        return None
