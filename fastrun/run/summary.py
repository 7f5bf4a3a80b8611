"""summary.json, and the lines that are printed at the end of a run."""

from __future__ import annotations

from typing import Any

from fastrun.components.device.device import describe_hardware
from fastrun.config.settings import Settings
from fastrun.storage.checkpoint.files import checkpoint_path
from fastrun.storage.run_dir import RunDir
from fastrun.system.memory import peak_memory, peak_of_device
from fastrun.system.versions import versions
from fastrun.training.fit import FitResult
from fastrun.training.module import Training

_LEAST_STEPS = 8  # whose time is told


def summarize(settings: Settings, run: RunDir, result: FitResult, status: str) -> dict[str, Any]:
    """Return the summary of a run: its results, both clocks, and the requested and used value of each group."""
    module = result.module
    state, clock = module.state, module.clock
    seconds = clock.state()
    target = state.target or {}
    return {
        "status": status,
        "name": run.path.parent.name,
        "recipe": settings.choices.get("recipe"),
        "overrides": run.overrides(),
        "seed": settings.seed,
        "steps": state.step,
        "epochs": round(state.step / module.plan.steps_per_epoch, 6),
        "samples": state.samples,
        "stopped": state.stopped,
        "best": _best(run, state.best),
        "last": state.last,
        "target": {
            "metric": result.monitor.name,
            "value": settings.target.value,
            "reached": state.target is not None,
            **{key: target.get(key) for key in ("steps", "samples", "train_seconds", "wall_seconds")},
        },
        "clock": seconds | {"total": clock.wall_seconds},
        "throughput": {
            "samples_per_second": state.samples / max(clock.train_seconds, 1e-9),
            "step_seconds": _step_seconds(module),
            "cpu_share": None if module.cpu_share is None else round(module.cpu_share, 4),
        },
        "memory": {"process": peak_memory(), "device": peak_of_device(result.device.torch_device)},  # peaks, in bytes
        "heuristics": result.resolved.groups,
        "tuning": settings.speed.found,
        "hardware": describe_hardware(result.device),
        "versions": versions(),
    }


def _step_seconds(module: Training) -> float | None:
    """Return the seconds of a step after the first quarter, with all that callbacks do; None for a few steps only.

    It is measured from one call of steps to the end of another, since some costs are those of a call.
    """
    step, seconds = module.steady_since or (module.state.step, 0.0)
    steps = module.state.step - step
    return (module.clock.train_seconds - seconds) / steps if steps >= _LEAST_STEPS else None


def _best(run: RunDir, best: dict[str, Any] | None) -> dict[str, Any] | None:
    if best is None:
        return None
    path = checkpoint_path(run.checkpoints, best["step"])
    return best | {"checkpoint": str(path.relative_to(run.path)) if path.is_file() else None}


def rows(summary: dict[str, Any], run: RunDir) -> list[tuple[str, str]]:
    """Return the rows of the table that is printed at the end of a run."""
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
