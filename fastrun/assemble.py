"""The composition root: from settings to a trained network. Read :func:`fit` as the story of a run."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch
from rich.console import Console
from torch import nn

from fastrun import checkpoint_io, kernels
from fastrun import feed as feeding
from fastrun.amp import precision
from fastrun.callbacks import callbacks_of
from fastrun.calls import Calls, Once
from fastrun.clock import Clock
from fastrun.errors import CheckpointError, ConfigError
from fastrun.hardware import Place, place
from fastrun.heuristics import Heuristics
from fastrun.logger.start import Tracking, tracking
from fastrun.losses import loss_of
from fastrun.metric import Known, Metrics, chosen
from fastrun.module import Training
from fastrun.network import check_takes_one, network
from fastrun.pipeline.standardize import fitted
from fastrun.plan import Plan
from fastrun.rundir import RunDir
from fastrun.saved import Saved
from fastrun.settings import Settings
from fastrun.span import minutes_in, steps_in
from fastrun.task import Units
from fastrun.trainer import quiet, trainer
from fastrun.transfer.source import weights_of
from fastrun.transfer.start import start
from fastrun.updating import update
from fastrun.views import logits_of


@dataclass
class Outcome:
    """A run that ended: the module with its tally and clock, what it was judged by, used, where, and who watches."""

    module: Training
    metric: Known
    heuristics: Heuristics
    place: Place
    tracker: Tracking | None


def fit(settings: Settings, run: RunDir, resume: Path | None, clock: Clock, console: Console | None) -> Outcome:
    """Train a network: seed, data, model, heuristics, callbacks, trainer, fit.

    Args:
        settings: the run, whole.
        run: where it leaves what it leaves; only the first of several processes writes there.
        resume: the checkpoint to go on from.
        clock: running since the process started.
        console: a terminal to draw a progress bar on, if there is one.
    """
    where = place(settings.device)
    share_cores(where)
    used = Heuristics(settings.choices)
    used.use("device", where.name, where.why)
    if settings.batch.found:
        used.use("batch", f"size {settings.batch.size}", settings.batch.found)
    if rewinds := settings.on_divergence.rewinds:
        told = ", ".join(f"from step {rewind['at']} to {rewind['to']}" for rewind in rewinds)
        share = settings.on_divergence.share(rewinds[-1]["to"])
        used.use("on_divergence", f"rates times {share:g}", f"it diverged and went back {told}")

    sets = feeding.load(settings)
    scale = fitted(sets.train)
    order = feeding.order(settings, sets, where, used)
    plan = plan_of(settings, order.steps)

    net = network(settings, sets, scale, used)
    if settings.transfer.kind != "none" and resume is None:
        start(settings.transfer, net, plan, used)
    if order.least(settings.batch.accumulate) == 1:
        check_takes_one(net, sets, scale)
    net = net.to(where.device)
    levers = kernels.arrange(settings.speed, net, where.device, settings.deterministic)
    amp = precision(settings.amp.kind, where.device)
    used.use("amp", amp.name, amp.why)
    loss = loss_of(settings, sets.task)
    changes = update(settings, net, amp, plan)
    levers |= kernels.kernels_of(changes.optimizer)
    used.use("speed", *kernels.told(levers), is_long=True)

    if where.rank == 0:
        run.describe({"config": settings.data} | sets.told())
    feed = feeding.feed(settings, sets, order, scale, where, used)
    val = feeding.evaluation(settings, sets, sets.val, scale, where)
    module = Training(net, loss, Metrics(sets.task, loss), feed, val, changes, plan)
    module.attach(clock, settings.speed, settings.views)
    module.goes_further = resume is not None and _is_changed_since(run, resume)

    metric = chosen(settings.target.metric, sets.task, "target.metric")
    with quiet():
        tracker = tracking(settings, run, resume, where.rank == 0, lambda: module.tally.step)
        callbacks = callbacks_of(settings, run, console, where.rank == 0, module, metric, sets.task, tracker)
        lightning = trainer(where, plan.epochs, settings.deterministic, callbacks, str(run.path), tracker)
        lightning.fit(module, Calls(module), Once(), ckpt_path=resume, weights_only=True)
    if module.compile_failure:
        used.use("speed", *kernels.told(levers | {"compile": module.compile_failure}), is_long=True)
    return Outcome(module, metric, used, where, tracker)


def _is_changed_since(run: RunDir, checkpoint: Path) -> bool:
    saved = run.read(f"checkpoints/{checkpoint.stem}.json").get("config_sha256")
    return bool(saved != hashlib.sha256((run.path / "config.yaml").read_bytes()).hexdigest())


def share_cores(where: Place) -> None:
    """Give each process on one CPU its part of the cores."""
    if where.world > 1 and where.device.type == "cpu":
        torch.set_num_threads(max(1, (os.cpu_count() or 1) // where.world))


def plan_of(settings: Settings, steps_per_epoch: int) -> Plan:
    """Return the marks of a run on its line of steps.

    Raises:
        ConfigError: a length is not one.
    """
    stopping = settings.early_stopping
    total = settings.steps or settings.epochs * steps_per_epoch
    if stopping.kind == "budget" and stopping.steps:
        total = stopping.steps

    def length(span: str, key: str) -> int:
        steps = steps_in(span, steps_per_epoch=steps_per_epoch, total_steps=total, key=key)
        if steps < 1:
            raise ConfigError(f"{key}={span} is less than a step")
        return steps

    every = 0
    if settings.checkpoint.kind != "none":
        by_time = minutes_in(settings.checkpoint.every)
        every = total if by_time else length(settings.checkpoint.every, "checkpoint.every")
    freeze, release = settings.transfer.freeze, 0
    if settings.transfer.kind == "finetune":
        release = steps_in(freeze, steps_per_epoch=steps_per_epoch, total_steps=total, key="transfer.freeze")
    return Plan(steps_per_epoch, total, length(settings.val_every, "val_every"), every, release)


def check_fits(settings: Settings, saved: Saved, inexact: bool) -> None:
    """Check that a run with these settings can go on from a checkpoint.

    Raises:
        CheckpointError: it is of another network.
        ConfigError: it is past the last step already, or, unless ``inexact``, of another number of processes.
    """
    world = checkpoint_io.load(saved.path)["fastrun"].get("world", settings.device.count)
    if world != settings.device.count and not inexact:
        raise ConfigError(
            f"device.count={settings.device.count}: the run had {world}, and would take other steps from here",
            "--inexact goes on all the same",
        )
    sets = feeding.load(settings)
    order = feeding.order(settings, sets, place(settings.device), Heuristics({}))
    total = plan_of(settings, order.steps).total_steps
    if total < saved.step and not settings.early_stopping.seconds:
        raise ConfigError(
            f"the run is at step {saved.step} already, past the {total} asked for",
            f"ask for more {'steps' if settings.steps else 'epochs'}",
        )
    load_weights(network(settings, sets, fitted(sets.train), Heuristics({})), saved.path)


def evaluate(settings: Settings, checkpoint: Path, split: str) -> dict[str, float]:
    """Measure a checkpoint's network on a part of its data: ``train``, ``val`` or ``test``.

    Raises:
        ConfigError: the data has no such part.
        CheckpointError: the checkpoint cannot be read or is of another network.
    """
    where = place(settings.device)
    sets = feeding.load(settings)
    samples = getattr(sets, split)
    if samples is None:
        raise ConfigError(f"this data has no {split} set", "use --split val")
    scale = fitted(sets.train)
    net = network(settings, sets, scale, Heuristics({}))
    load_weights(net, checkpoint)
    net = net.to(where.device).eval()
    amp = precision(settings.amp.kind, where.device)
    metrics = Metrics(sets.task, loss_of(settings, sets.task)).to(where.device)

    def outputs() -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        for x, y in feeding.evaluation(settings, sets, samples, scale, where):
            with amp.autocast():
                logits = logits_of(net, x, settings.views)
            yield logits, y

    with torch.inference_mode():
        return {f"{split}/{name}": value for name, value in metrics.measure(outputs()).items()}


def load_model(settings: Settings, checkpoint: Path) -> nn.Module:
    """Return a checkpoint's network on the CPU, in evaluation mode; it takes samples as the data set has them."""
    sets = feeding.load(settings)
    scale = fitted(sets.train)
    net = network(settings, sets, scale, Heuristics({}))
    load_weights(net, checkpoint)
    back = [Units(sets.task)] if sets.task.name == "regression" else []
    return nn.Sequential(scale.cpu(), net, *back).eval()


def load_weights(net: nn.Module, checkpoint: Path) -> None:
    """Copy a checkpoint's weights into the network that it is of.

    Raises:
        CheckpointError: names or shapes differ.
    """
    try:
        net.load_state_dict(weights_of(checkpoint_io.load(checkpoint)))
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:200]
        raise CheckpointError(f"{checkpoint} is of another network: {reason}") from error
