"""The page of a run: what was run, how it ended, its curves, clocks, classes, heuristics and machine."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import yaml

from fastrun.redaction import redact_message
from fastrun.report.page.by_class import ClassSection
from fastrun.report.page.clocks import clock_bars
from fastrun.report.page.curve_chart import Curve, CurveChart, draw_chart
from fastrun.report.page.number_format import NOTHING, number, percent, plural, seconds
from fastrun.report.page.run_files import RunFiles
from fastrun.report.page.series import Series
from fastrun.report.record import RunRecord
from fastrun.system.free_space import format_mebibytes

_SHARES = ("val/acc", "val/f1", "val/top5")  # metrics that share a chart
_TRAINING = "lr", "train/grad_norm"
_TUNED = {
    "measured": "Measured before the run, on copies that were thrown away",
    "known": "Known from an earlier run on this machine",
    "rule": "A rule for runs that are too short to measure",
}
_OFF = ("none", "off", "plain")  # options that are neutral
_WHOLE_SHARE = 0.95  # of the CPU time that was asked for: less is worth a word
_WENT_WRONG = ("failed", "diverged", "killed", "interrupted")


def run_context(run: RunFiles, by_class: list[ClassSection]) -> dict[str, Any]:
    """Return what the template of a run's page shows.

    Args:
        run: the files of the run.
        by_class: the results by class, one for each evaluation; none where there are no classes, or nothing was to be
            measured.
    """
    record = run.record
    return {
        "title": f"{record.name} {record.path.name}",
        "record": record,
        "changed": [one for one in run.overrides if not one.startswith("+recipe=")],
        "reason": redact_message(record.reason) if record.reason else None,
        "log": run.log if record.status in _WENT_WRONG else [],
        "facts": list(_facts(run)),
        "commands": _commands(run),
        "charts": list(_charts(run)),
        "clocks": clock_bars(run.summary.get("clock") or {}),
        "by_class": by_class,
        "heuristics": _heuristics(run.summary.get("heuristics")),
        **_tuning(run.summary.get("tuning")),
        "config": yaml.safe_dump(run.config, sort_keys=False, allow_unicode=True) if run.config else "",
        "environment": _environment(run),
        "not_finite": _not_finite(run.series.values()),
    }


def _facts(run: RunFiles) -> Iterator[tuple[str, str, str]]:
    """Yield a label, a value and what explains it, for the numbers that matter most."""
    record = run.record
    if record.best is None:
        yield "Best", NOTHING, "nothing was measured on validation data"
    else:
        yield "Best", f"{record.metric} {number(record.best)}", f"at step {number(record.best_step)}"
    yield _target_fact(record)
    epochs = run.summary.get("epochs")
    length = plural(record.steps or 0, "step")
    yield "Trained", seconds(record.train_seconds), f"{length}, {number(epochs)} epochs" if run.summary else length
    if record.wall_seconds is not None:
        startup = (run.summary.get("clock") or {}).get("startup")
        yield "Wall clock", seconds(record.wall_seconds), f"{seconds(startup)} of it starting up"
    if record.samples_per_second is not None:
        share = (run.summary.get("throughput") or {}).get("cpu_share")
        is_short = share is not None and share < _WHOLE_SHARE
        got = f"with {percent(share)} of the CPU time asked for" if is_short else "in training"
        yield "Speed", f"{record.samples_per_second:,.0f} samples/s", got
    if record.peak_memory is not None:
        has_gpu = (run.summary.get("memory") or {}).get("device") is not None
        yield "Memory", format_mebibytes(record.peak_memory), f"at its peak, of the {'GPU' if has_gpu else 'process'}"


def _target_fact(record: RunRecord) -> tuple[str, str, str]:
    if record.target is None:
        return "Target", "none set", "target.value=… times a run to it"
    goal = f"{record.metric or 'the metric'} {number(record.target)}"
    if record.target_reached:
        wall = record.target_wall_seconds
        clock = f"; {seconds(wall)} on the wall clock" if wall is not None else ""
        return "Target", seconds(record.target_seconds), f"{goal} reached at step {number(record.target_steps)}{clock}"
    return "Target", "not yet" if record.status == "running" else "not reached", goal


def _commands(run: RunFiles) -> list[tuple[str, str]]:
    """Return what to do next, each with its command."""
    path, status = str(run.record.path), run.record.status
    again = ("Run it again", shlex.join(["fastrun", "train", *run.overrides]))
    if status == "running":
        return [("Watch it", shlex.join(["fastrun", "watch", path]))]
    if status == "finished":
        return [
            ("Measure it on test data", shlex.join(["fastrun", "eval", path, "--split", "test"])),
            again,
            ("Find what it waits for", shlex.join(["fastrun", "diagnose", path])),
        ]
    resume = [("Go on with it", shlex.join(["fastrun", "resume", path]))] if run.has_checkpoint else []
    find = [("Find a learning rate", shlex.join(["fastrun", "find", "lr", path]))] if status == "diverged" else []
    return [*find, *resume, again]


def _charts(run: RunFiles) -> Iterator[CurveChart]:
    series, record = run.series, run.record
    shared = [name for name in _SHARES if name in series]
    others = [name for name in series if name not in (*shared, *_TRAINING, "train/loss", "val/loss")]
    groups: list[tuple[str, list[Curve], bool]] = [
        ("Loss", [*_smoothed(series.get("train/loss"), 0), *_curves(series, ["val/loss"], 1)], True),
        ("Validation", _curves(series, shared, 0), False),
        *((name, _curves(series, [name], 2), False) for name in others),
        ("Learning rate", _curves(series, ["lr"], 3), False),
        ("Gradient norm before clipping", _smoothed(series.get("train/grad_norm"), 4), True),
    ]
    for title, curves, is_loss in groups:
        is_judged = any(curve.series.name == record.metric for curve in curves)
        chart = draw_chart(title, curves, line=record.target if is_judged else None, is_loss=is_loss)
        if chart is not None:
            yield chart


def _curves(series: Mapping[str, Series], names: Iterable[str], color: int) -> list[Curve]:
    return [
        Curve(series[name], name, color + index, is_dashed=index > 0)
        for index, name in enumerate(names)
        if name in series
    ]


def _smoothed(series: Series | None, color: int) -> list[Curve]:
    """Return what a step measured; where there are many steps its mean, and the values themselves behind it."""
    if series is None:
        return []
    mean = series.smoothed()
    if mean is series:
        return [Curve(series, series.name, color)]
    return [Curve(series, series.name, color, is_faint=True), Curve(mean, f"{series.name}, smoothed", color)]


def _heuristics(groups: Any) -> list[dict[str, Any]]:
    """Return what each group was asked for and came to, those that are in use first."""
    if not isinstance(groups, dict):
        return []
    rows = [
        {"group": name} | {key: str(choice.get(key, "")) for key in ("requested", "used", "why")}
        for name, choice in groups.items()
        if isinstance(choice, dict)
    ]
    return sorted(rows, key=lambda row: (row["used"] in _OFF, row["group"]))


def _tuning(tuning: Any) -> dict[str, Any]:
    """Return what was tried to make a step fast, and whether that was measured, known or a rule."""
    content = tuning if isinstance(tuning, dict) else {}
    keys = "setting", "ms", "verdict"
    rows = [{key: row.get(key) for key in keys} for row in content.get("rows") or [] if isinstance(row, dict)]
    return {"tuning": rows, "tuned_by": _TUNED.get(str(content.get("by")), "")}


def _environment(run: RunFiles) -> list[tuple[str, str]]:
    hardware, versions = run.summary.get("hardware") or {}, run.summary.get("versions") or {}
    data = run.data
    rows = [(key, number(value) if not isinstance(value, str) else value) for key, value in hardware.items()]
    if "host" in run.state:
        rows.append(("host", str(run.state["host"])))
    rows.append(("attempts", number(run.state.get("attempts"))))
    samples = data.get("samples")
    if isinstance(samples, dict):
        rows.append(("samples", ", ".join(f"{part} {number(count)}" for part, count in samples.items())))
    fingerprint = data.get("fingerprint")
    if isinstance(fingerprint, dict) and "sha256" in fingerprint:
        rows.append(("data sha256", str(fingerprint["sha256"])))
    return rows + [(name, str(version)) for name, version in versions.items()]


def _not_finite(series: Any) -> int:
    return sum(len(one.values) - len(one.finite) for one in series)
