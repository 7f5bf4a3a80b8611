"""The page of a sweep: its runs beside each other, what differs and what came out."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from fastrun.report.location import is_study
from fastrun.report.page.curve_chart import Curve, CurveChart, draw_chart
from fastrun.report.page.number_format import number, plural, seconds
from fastrun.report.page.parallel import draw_parallel
from fastrun.report.page.seed_groups import SeedGroup, group_seeds
from fastrun.report.page.sweep_runs import SweepRun, read_runs
from fastrun.storage.job import FAILED, UNFINISHED
from fastrun.sweep.ledger import Ledger
from fastrun.sweep.table import format_counts

_COLORS = 8  # runs that have a color each; more are colored by their rank
_MOST_CURVES = 200
_MOST_ROWS = 3000
_POINTS = 20_000  # of all curves of a chart
_FEWEST_COLUMNS, _MOST_COLUMNS = 60, 400  # that a curve is thinned to


def sweep_context(ledger: Ledger) -> dict[str, Any]:
    """Return what the template of a sweep's page shows."""
    records = ledger.records()
    runs = read_runs(ledger, records)
    measured = [run for run in runs if run.record.best is not None]
    drawn = measured[:_MOST_CURVES]
    keys = _differing(runs)
    groups = [] if is_study(ledger.folder.parent) else group_seeds(runs)
    return {
        "title": f"{ledger.folder.parent.name} {ledger.folder.name}",
        "folder": ledger.folder,
        "counts": format_counts(records),
        "conclusion": _conclude(ledger, runs, groups),
        "groups": groups,
        "metric": _metric(runs),
        "has_target": any(run.record.target is not None for run in runs),
        "keys": keys,
        "runs": runs[:_MOST_ROWS],
        "left_out": max(0, len(runs) - _MOST_ROWS),
        "curves_left_out": len(measured) - len(drawn),
        "is_ranked": len(drawn) > _COLORS,
        "charts": _charts(drawn),
        "parallel": draw_parallel(keys, measured[: 2 * _MOST_CURVES], _metric(runs)),
        "commands": _commands(ledger, runs, groups),
    }


def _differing(runs: Sequence[SweepRun]) -> list[str]:
    """Return the keys that the jobs set to different values, or that some of them set alone."""
    keys = dict.fromkeys(key for run in runs for key in run.values)
    return [key for key in keys if len({run.values.get(key) for run in runs}) > 1]


def _metric(runs: Sequence[SweepRun]) -> str:
    return next((run.record.metric for run in runs if run.record.metric), "best")


def _conclude(ledger: Ledger, runs: Sequence[SweepRun], groups: Sequence[SeedGroup]) -> str:
    """Return the result in a sentence or two."""
    if is_study(ledger.folder.parent):
        return (
            "These are the runs within a study: pilot runs, runs of several lengths, and runs that are only timed. "
            "None of them is a result by itself; the verdicts are on the page of the study."
        )
    if not runs or runs[0].record.best is None:
        return "No run has been measured on validation data yet."
    if groups:
        return _conclude_groups(runs, groups)
    best = runs[0].record
    lines = [f"Best: {best.metric} {number(best.best)} with {runs[0].described}."]
    reached = [run for run in runs if run.record.target_reached and run.record.target_seconds is not None]
    if reached:
        fastest = min(reached, key=lambda run: run.record.target_seconds or 0.0)
        goal, spent = number(fastest.record.target), seconds(fastest.record.target_seconds)
        lines.append(
            f"{len(reached)} of {plural(len(runs), 'run')} reached the target {goal}, the fastest in {spent} of "
            f"training with {fastest.described}."
        )
    elif any(run.record.target is not None for run in runs):
        lines.append("None reached its target.")
    return " ".join(lines)


def _conclude_groups(runs: Sequence[SweepRun], groups: Sequence[SeedGroup]) -> str:
    """Return the result of a sweep over seeds: the best mean, not the luckiest seed."""
    first, metric = groups[0], runs[0].record.metric
    mean, count = number(first.best.mean), plural(first.best.n, "seed")
    ends = f", {number(first.best.low)} to {number(first.best.high)}" if first.best.low is not None else ""
    best = f"Best mean: {metric} {mean} over {count}{ends}, with {first.described}."
    lines = [best if first.described else f"Mean: {metric} {mean} over {count}{ends}."]
    if any(run.record.target is not None for run in runs):
        reached = sum(run.record.target_reached for run in runs)
        lines.append(f"{reached} of {plural(len(runs), 'run')} reached the target {number(runs[0].record.target)}.")
    return " ".join(lines)


def _charts(runs: Sequence[SweepRun]) -> list[CurveChart]:
    if not runs:
        return []
    columns = min(_MOST_COLUMNS, max(_FEWEST_COLUMNS, _POINTS // len(runs) // 2))
    last = max(1, len(runs) - 1)
    is_ranked = len(runs) > _COLORS
    charts = []
    for name, title in ((_metric(runs), _metric(runs)), ("train/loss", "Training loss, smoothed")):
        curves = [
            Curve(
                run.series[name].smoothed() if name == "train/loss" else run.series[name],
                f"{run.number} {run.described}",
                color=place % _COLORS,
                run=run.number,
                rank=1 - place / last if is_ranked else None,
            )
            for place, run in enumerate(runs)
            if name in run.series
        ]
        target = runs[0].record.target if name == runs[0].record.metric else None
        charts.append(draw_chart(title, curves[::-1], columns=columns, line=target, is_loss=name.endswith("loss")))
    return [chart for chart in charts if chart is not None]


def _commands(ledger: Ledger, runs: Sequence[SweepRun], groups: Sequence[SeedGroup]) -> list[tuple[str, str]]:
    """Return what to do next, each with its command."""
    if is_study(study := ledger.folder.parent):
        return [("Look at the page of the study", shlex.join(["fastrun", "report", str(study)]))]
    states = {run.state for run in runs}
    folder = shlex.quote(str(ledger.folder))
    commands = []
    if states & set(UNFINISHED):
        commands.append(("Go on with what is missing", f"fastrun resume {folder}"))
    if states & set(FAILED):
        commands.append(("Try what failed again", f"fastrun resume {folder} --failed"))
    if runs and runs[0].record.best is not None:
        chosen = groups[0].median if groups else runs[0]
        words = "Measure the best on test data" + (", by the run of its median seed" if groups else "")
        commands.append((words, shlex.join(["fastrun", "eval", str(chosen.record.path), "--split", "test"])))
    arguments = map(str, ledger.definition().get("arguments", []))
    return [*commands, ("Sweep again", shlex.join(["fastrun", "train", "-m", *arguments]))]
