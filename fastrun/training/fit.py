"""Training a network from its settings: :func:`fit` shows the parts of a run in order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from fastrun.components.amp.precision import choose_precision
from fastrun.components.device.device import Device, share_cores
from fastrun.components.metrics import Metrics, monitor_for
from fastrun.components.speed.optimizations import apply_optimizations, describe, describe_fused_kernels
from fastrun.components.transfer.start import load_pretrained
from fastrun.config.monitor import Monitor
from fastrun.config.plan import make_plan
from fastrun.config.resolved import Resolved
from fastrun.config.settings import Settings
from fastrun.storage.atomic import sha256_of
from fastrun.storage.checkpoint.files import SavedCheckpoint
from fastrun.storage.run_dir import RunDir
from fastrun.system.clock import Clock
from fastrun.training.builders.callbacks import build_callbacks
from fastrun.training.builders.loaders import build_loaders, build_sampler
from fastrun.training.builders.logger import Tracking, start_tracker
from fastrun.training.builders.loss import build_loss
from fastrun.training.builders.model import build_network, check_takes_one
from fastrun.training.builders.optimizer import build_update_rule
from fastrun.training.builders.setup import Setup
from fastrun.training.builders.trainer import build_trainer, quiet
from fastrun.training.module import Training
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
    device, splits = setup.device, setup.splits
    resolved = _resolve_groups(settings, device)
    share_cores(device)
    sampler = build_sampler(settings, splits, device, resolved)
    settings = replace(settings, batch=replace(settings.batch, size=sampler.batch_size))  # a small set cuts it
    plan = make_plan(settings, sampler.steps_per_epoch)

    net = build_network(settings, setup, resolved)
    if settings.transfer.kind != "none" and resume is None:
        load_pretrained(settings.transfer, net, plan, resolved)
    if sampler.smallest_part(settings.batch.accumulate) == 1:
        check_takes_one(net, setup)
    net = net.to(device.torch_device)
    optimizations = apply_optimizations(settings.speed, net, device.torch_device, settings.deterministic)
    precision = choose_precision(settings.amp.kind, device.torch_device)
    resolved.record("amp", precision.name, precision.why)
    update = build_update_rule(settings, net, precision, plan)
    optimizations |= describe_fused_kernels(update.optimizer)
    resolved.record("speed", *describe(optimizations), is_long=True)

    if device.is_first:
        run.write_data({"config": settings.data} | splits.describe())
    metrics = Metrics(splits.task, build_loss(settings, splits.task))
    loaders = build_loaders(settings, setup, sampler, resolved)
    is_changed = resume is not None and _is_config_changed(run, resume)
    module = Training(settings, net, metrics, loaders, update, plan, setup.learned, clock, is_config_changed=is_changed)

    monitor = monitor_for(settings.target.metric, splits.task, "target.metric")
    with quiet():
        tracker = start_tracker(settings, run, resume, device.is_first, lambda: module.state.step)
        callbacks = build_callbacks(settings, run, console, device.is_first, module, monitor, splits.task, tracker)
        trainer = build_trainer(device, plan.epochs, settings.deterministic, callbacks, str(run.path), tracker)
        trainer.fit(module, StepLoader(module), ValidationTrigger(), ckpt_path=resume, weights_only=True)
    if module.compile_failure:
        resolved.record("speed", *describe(optimizations | {"compile": module.compile_failure}), is_long=True)
    return FitResult(module, monitor, resolved, device, tracker)


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
