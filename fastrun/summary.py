"""summary.json: a run in one object, and the same in a few lines for a person."""

from __future__ import annotations

from typing import Any

from fastrun.assemble import Outcome
from fastrun.hardware import describe, versions
from fastrun.rundir import RunDir
from fastrun.settings import Settings


def summarize(settings: Settings, run: RunDir, outcome: Outcome, status: str) -> dict[str, Any]:
    """Return what a run did: results, both clocks, what was asked for and what was used."""
    module = outcome.module
    tally, clock = module.tally, module.clock
    seconds = clock.state()
    target = tally.target or {}
    return {
        "status": status,
        "name": run.path.parent.name,
        "recipe": settings.choices.get("recipe"),
        "overrides": run.overrides(),
        "seed": settings.seed,
        "steps": tally.step,
        "epochs": round(tally.step / module.plan.steps_per_epoch, 6),
        "samples": tally.samples,
        "stopped": tally.stopped,
        "best": _best(run, tally.best),
        "last": tally.last,
        "target": {
            "metric": outcome.metric.name,
            "value": settings.target.value,
            "reached": tally.target is not None,
            **{key: target.get(key) for key in ("steps", "samples", "train_seconds", "wall_seconds")},
        },
        "clock": seconds | {"total": clock.wall_seconds},
        "throughput": {"samples_per_second": tally.samples / max(clock.train_seconds, 1e-9)},
        "heuristics": outcome.heuristics.groups,
        "hardware": describe(outcome.place),
        "versions": versions(),
    }


def _best(run: RunDir, best: dict[str, Any] | None) -> dict[str, Any] | None:
    if best is None:
        return None
    path = run.checkpoints / f"step-{best['step']:08d}.ckpt"
    return best | {"checkpoint": str(path.relative_to(run.path)) if path.is_file() else None}


def rows(summary: dict[str, Any], run: RunDir) -> list[tuple[str, str]]:
    """Return the lines of the table that ends a run."""
    best, target, clock = summary["best"], summary["target"], summary["clock"]
    train = clock["train"] + clock["data_wait"]
    shown = [("result", f"{best['metric']} {best['value']:.4f} at step {best['step']}" if best else "nothing measured")]
    if target["value"] is not None:
        reached = "not reached"
        if target["reached"]:
            reached = f"reached at step {target['steps']}, {target['train_seconds']:.2f} s of training"
        shown.append(("target", f"{target['value']:g} {reached}"))
    if summary["stopped"]:
        shown.append(("stopped", summary["stopped"]))
    shown += [
        ("trained", f"{summary['steps']} steps, {summary['epochs']:g} epochs in {train:.2f} s"),
        ("wall clock", f"{clock['total']:.2f} s, {clock['startup']:.2f} s of it starting up"),
        *([("compiled", f"in {clock['compile']:.1f} s")] if clock["compile"] else []),
        ("speed", f"{summary['throughput']['samples_per_second']:,.0f} samples/s"),
        ("directory", str(run.path)),
    ]
    return shown
