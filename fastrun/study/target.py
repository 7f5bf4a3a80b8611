"""The target of a study: given, or what the pilot runs reached less a margin."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from fastrun.config.monitor import Monitor
from fastrun.config.settings import TargetConfig
from fastrun.errors import ConfigError
from fastrun.storage.run_dir import RunDir
from fastrun.study.results import Outcome

_MARGIN = 0.02  # of the median that pilot runs reach; their range, if that is more


@dataclass(frozen=True)
class Target:
    """The value of a metric that all arms have to reach.

    Attributes:
        metric: the metric, such as ``val/acc``.
        value: the value to reach.
        source: ``given`` or ``pilot``.
        text: how it came about, in words.
        higher_is_better: whether larger values of the metric are better.
    """

    metric: str
    value: float
    source: str
    text: str
    higher_is_better: bool

    def describe(self) -> dict[str, Any]:
        """Return what plan.json says of it."""
        return asdict(self)

    def check(self, steps: float, base_steps: int, best: Sequence[float], longest: int, shortest: int) -> None:
        """Check that the full run reaches the target, and not at once.

        Args:
            steps: the median of the steps that it takes; infinity where most runs missed it.
            base_steps: the steps of the recipe.
            best: the best values of all pilot runs.
            longest: the steps of the longest of them.
            shortest: those of the shortest.

        Raises:
            ConfigError: it does not.
        """
        what = f"{self.metric} {self.value:g}"
        if not math.isfinite(steps):
            top = max(best) if self.higher_is_better else min(best)
            message = f"the full run does not reach {what} in {longest} steps, four times its length; best: {top:.4g}"
            near = "below" if self.higher_is_better else "above"
            hint = f"start again with a target.value {near} {top:.4g}; a study without one has pilot runs set it"
            raise ConfigError(message, hint)
        if steps <= shortest:
            message = f"the full run reaches {what} within {shortest} of its {base_steps} steps: too soon to compare"
            raise ConfigError(
                message, "start again with a harder target.value; a study without one has pilot runs set it"
            )


def choose_target(config: TargetConfig, outcomes: Sequence[Outcome]) -> Target:
    """Return the target of a study.

    Args:
        config: what the run says of it.
        outcomes: whole pilot runs of it.

    Raises:
        ConfigError: no network can be as good as the target, or the metric has the same value whatever is trained.
    """
    metric = outcomes[0].metric or config.metric or "val/loss"
    monitor = Monitor.of_record({"metric": metric} | (outcomes[0].summary.get("best") or {}))
    best = [outcome.value(monitor.higher_is_better) for outcome in outcomes]
    _check_varies(metric, outcomes)
    if config.value is not None:
        monitor.check_target(config.value)
        return Target(metric, config.value, "given", "given", monitor.higher_is_better)
    middle = median(best)
    margin = max(_MARGIN * abs(middle), max(best) - min(best))
    value = float(f"{middle - margin if monitor.higher_is_better else middle + margin:.4g}")
    text = f"the median of {len(best)} pilot runs, {middle:.4g}, less a margin of {margin:.2g}"
    if not monitor.higher_is_better:
        text = text.replace("less a", "plus a")
    return Target(metric, value, "pilot", text, monitor.higher_is_better)


def _check_varies(metric: str, outcomes: Sequence[Outcome]) -> None:
    """Check that training changes the metric.

    Raises:
        ConfigError: every validation of every run measured the same.
    """
    values = [line[metric] for outcome in outcomes for line in RunDir(outcome.path).lines() if metric in line]
    if len(values) > len(outcomes) and len(set(values)) == 1:
        hint = "choose another target.metric, such as val/loss, or a recipe that learns"
        raise ConfigError(f"{metric} is {values[0]:g} in every validation, whatever was trained", hint)
