"""How far a study without verdicts has got, from the ledger of its runs, and why it was refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastrun.config.monitor import Monitor
from fastrun.errors import FastrunError
from fastrun.report.page.number_format import NOTHING, number, plural
from fastrun.report.page.study_files import StudyFiles
from fastrun.sweep.ledger import Ledger

_ENDED = "finished", "diverged"


@dataclass(frozen=True)
class Progress:
    """The state of a study without verdicts.

    Attributes:
        sentence: how far it has got.
        refusal: why no study can be made of it; empty where it can go on.
        seeds: the seeds of the blocks that have begun.
        arms: each arm, and for each of those seeds the steps of the shortest run that has reached the target.
    """

    sentence: str
    refusal: str = ""
    seeds: tuple[int, ...] = ()
    arms: tuple[tuple[str, tuple[str, ...]], ...] = ()


@dataclass(frozen=True)
class _Run:
    """A run that has ended, as the ledger has it."""

    labels: Mapping[str, str]
    value: float | None
    seed: int  # of its block


def read_progress(study: StudyFiles) -> Progress:
    """Return how far a study has got."""
    runs = _runs(study)
    if study.refusal and not study.is_running:
        return Progress("There are no verdicts: nothing can be made of it as it was typed.", study.refusal)
    if not study.plan:
        count = plural(len(runs), "pilot run")
        return Progress(f"There are no verdicts yet: {count} ended so far, which are to set its plan.")
    planned = list(study.plan.get("seeds") or [])
    scored = [run for run in runs if run.seed in planned and "pace" not in run.labels]
    rounds = {run.labels["pace"] for run in runs if "pace" in run.labels}
    begun = [seed for seed in planned if any(run.seed == seed for run in scored)]
    blocks, ended = plural(len(planned), "block"), plural(len(scored), "run")
    sentence = (
        f"There are no verdicts yet. {len(begun)} of {blocks} have runs that ended, {ended} so far, and steps "
        f"were timed for {len(rounds)}. A verdict needs both."
    )
    names = list(dict.fromkeys(run.labels["arm"] for run in scored if "arm" in run.labels))
    table = tuple((name, tuple(_shortest(scored, name, seed, study.plan) for seed in begun)) for name in names)
    return Progress(sentence, "", tuple(begun), table)


def _runs(study: StudyFiles) -> list[_Run]:
    try:
        records = Ledger.open(study.folder / "runs").records()
    except FastrunError:
        return []
    blocks = dict(zip(study.plan.get("again_seeds") or [], study.plan.get("seeds") or [], strict=False))
    found = []
    for record in records:
        if record.state in _ENDED:
            labels = dict(text.partition("=")[::2] for text in record.sweep_overrides)
            best, seed = (record.best or {}).get("value"), int(labels.get("seed", -1))
            value = float(best) if isinstance(best, (int, float)) else None
            found.append(_Run(labels, value, blocks.get(seed, seed)))
    return found


def _shortest(runs: Sequence[_Run], arm: str, seed: int, plan: Mapping[str, Any]) -> str:
    """Return the steps of an arm's shortest run that reached the target, else those of its longest that did not."""
    own = [run for run in runs if run.labels.get("arm") == arm and run.seed == seed and "steps" in run.labels]
    target = plan.get("target") or {}
    goal, monitor = float(target.get("value") or 0.0), Monitor.of_record({"metric": None} | target)
    reached = [run for run in own if run.value is not None and monitor.reaches(run.value, goal)]
    if reached:
        return number(min(int(run.labels["steps"]) for run in reached))
    return f"more than {number(max(int(run.labels['steps']) for run in own))}" if own else NOTHING
