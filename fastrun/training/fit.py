"""Training a network from its settings: :func:`fit` shows the parts of a run in order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pytorch_lightning.strategies import Strategy
from rich.console import Console

from fastrun.components.device.device import Device, set_threads
from fastrun.components.speed.optimizations import describe
from fastrun.config.monitor import Monitor
from fastrun.config.resolved import Resolved
from fastrun.config.settings import Settings
from fastrun.storage.atomic import sha256_of
from fastrun.storage.checkpoint.files import SavedCheckpoint
from fastrun.storage.run_dir import RunDir
from fastrun.system.clock import Clock
from fastrun.training.builders.callbacks import build_callbacks
from fastrun.training.builders.logger import Tracking, start_tracker
from fastrun.training.builders.parts import Parts, build_parts
from fastrun.training.builders.setup import Setup
from fastrun.training.builders.trainer import build_trainer, quiet
from fastrun.training.module import Training
from fastrun.training.objective import monitor_for
from fastrun.training.step_loader import StepLoader, ValidationTrigger


@dataclass
class FitResult:
    """The result of a run that has ended.

    Attributes:
        module: the LightningModule; its ``state`` says how far the run came, its ``clock`` how long that took.
        monitor: the metric that decides on the best checkpoint.
        resolved: the requested and the used value of each config group.
        device: the device.
        tracker: the tracker, still open, or None.
    """

    module: Training
    monitor: Monitor
    resolved: Resolved
    device: Device
    tracker: Tracking | None


def fit(
    settings: Settings, run: RunDir, setup: Setup, resume: Path | None, clock: Clock, console: Console | None
) -> FitResult:
    """Train a network.

    Args:
        settings: the settings of the run.
        run: the run directory; only the first of several processes writes to it.
        setup: the device, the data and its scaling.
        resume: the checkpoint to resume from, or None.
        clock: the clock of the run, which has been running since the run was requested.
        console: a terminal to draw a progress bar on, or None.

    Raises:
        FastrunError: the run ended with an error.
    """
    device = setup.device
    resolved = _resolve_groups(settings, device)
    set_threads(settings.speed.threads, device)
    parts = build_parts(settings, setup, resolved, load_weights=resume is None, divide=True)
    settings, plan = parts.settings, parts.plan
    resolved.record("speed", *describe(parts.optimizations), is_long=True)
    if device.is_first:
        run.write_data({"config": settings.data} | setup.splits.describe())
    is_changed = resume is not None and _is_config_changed(run, resume)
    module = Training(parts, clock, is_config_changed=is_changed)

    monitor = monitor_for(settings.target.metric, parts.objective, "target.metric")
    with quiet():
        tracker = start_tracker(settings, run, resume, device.is_first, lambda: module.state.step)
        objects = setup.objects.callbacks
        callbacks = build_callbacks(settings, run, console, device.is_first, module, monitor, tracker, objects)
        strategy = _strategy(parts)
        trainer = build_trainer(
            device, plan.epochs, settings.deterministic, callbacks, str(run.path), tracker, strategy
        )
        trainer.fit(module, StepLoader(module), ValidationTrigger(), ckpt_path=resume, weights_only=True)
    if module.compile_failure:
        resolved.record("speed", *describe(parts.optimizations | {"compile": module.compile_failure}), is_long=True)
    return FitResult(module, monitor, resolved, device, tracker)


def _strategy(parts: Parts) -> Strategy | None:
    """Return the strategy of processes that divide the weights among them; None for any other run."""
    if parts.update.shards is None:
        return None
    from fastrun.training.sharded_strategy import ShardedStrategy  # imports much of torch.distributed

    return ShardedStrategy(parts.update.shards)


def _resolve_groups(settings: Settings, device: Device) -> Resolved:
    """Return the requested value of each config group, with the used values that are known before anything is built."""
    resolved = Resolved(settings.choices)
    resolved.record("device", device.name, device.model_name)
    if settings.batch.found:
        resolved.record("batch", f"size {settings.batch.size}", settings.batch.found)
    if rewinds := settings.on_divergence.rewinds:
        steps = ", ".join(f"from step {rewind['at']} to {rewind['to']}" for rewind in rewinds)
        factor = settings.on_divergence.lr_factor(rewinds[-1]["to"])
        why = f"the run diverged and was rewound {steps}"
        resolved.record("on_divergence", f"learning rates times {factor:g}", why)
    return resolved


def _is_config_changed(run: RunDir, checkpoint: Path) -> bool:
    """Return whether config.yaml has changed since a checkpoint was saved."""
    return SavedCheckpoint.read(checkpoint).config_sha256 != sha256_of(run.path / "config.yaml")
