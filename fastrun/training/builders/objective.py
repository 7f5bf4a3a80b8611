"""Building what a network learns: from outputs and targets, or by the steps of a LightningModule."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import nn

from fastrun.components.amp.precision import Precision, choose_precision
from fastrun.components.amp.single_pixel import keep_in_float32, single_pixel_convolutions
from fastrun.components.data.splits import Samples, size_of
from fastrun.components.model.buffers import keep_buffers
from fastrun.components.pipeline import Batch
from fastrun.components.pipeline.preparation import Preparation
from fastrun.components.pipeline.reading import read_first
from fastrun.components.pipeline.sampler import StatelessSampler
from fastrun.components.pipeline.structure import to_device
from fastrun.components.task import Task
from fastrun.config import instantiate
from fastrun.config.monitor import directions_of
from fastrun.config.objects import name_of
from fastrun.config.plan import Plan, make_plan
from fastrun.config.resolved import Resolved
from fastrun.config.settings import Settings
from fastrun.errors import ConfigError, FastrunError
from fastrun.system.seed import seeded
from fastrun.training.builders.loaders import build_sampler
from fastrun.training.builders.loss import build_loss
from fastrun.training.builders.metrics import build_extra
from fastrun.training.builders.setup import Setup, scaling_on
from fastrun.training.objective import Objective
from fastrun.training.objective.lightning_module import attach_trainer, has_own_loss
from fastrun.training.objective.own_steps import OwnSteps
from fastrun.training.objective.planned_trainer import PlannedTrainer
from fastrun.training.objective.supervised import Supervised


def build_objective(
    settings: Settings,
    setup: Setup,
    sampler: StatelessSampler,
    plan: Plan,
    net: nn.Module,
    precision: Precision,
    resolved: Resolved,
) -> Objective:
    """Return what the network of a run learns. The steps of a LightningModule are tried out on a batch.

    Args:
        settings: the settings of the run.
        setup: the device and the data.
        sampler: the samples of each step.
        plan: the steps of the run.
        net: the network, on the device.
        precision: the precision of the run.
        resolved: records what each group's option resolves to.

    Raises:
        ConfigError: the arguments of the loss do not fit; or a step of the module fails, or one of its methods would
            not be called.
    """
    if not has_own_loss(net):
        return build_supervised(settings, setup.splits.task, precision)
    name = f"model={name_of(settings.model)}"
    if settings.views != "none":
        raise ConfigError(f"views={settings.views}: {name} has a validation_step of its own", "views=none")
    if settings.metrics:
        raise ConfigError(
            f"metrics={','.join(settings.metrics)}: {name} has a validation_step of its own", "log them there"
        )
    resolved.record("loss", "the model's own", f"{name} has a training_step")
    objective = OwnSteps(net, precision, plan.steps_per_epoch)
    size = -(-sampler.local_batch_size // settings.batch.accumulate)
    with seeded(settings.seed, "trial"):
        training, validation = (batch_of(samples, size, setup) for samples in (setup.splits.train, setup.splits.val))
        _try_out(net, objective, training, validation, setup.device.torch_device)
    for metric in {settings.target.metric or objective.default, settings.early_stopping.metric} & objective.misnamed:
        problem = f"{metric} decides, and its name says the opposite of which values are better"
        raise ConfigError(problem, "log it under another name, such as val/error or val/score")
    return objective


def build_supervised(settings: Settings, task: Task, precision: Precision) -> Supervised:
    """Return the loss and the metrics of outputs and targets.

    Raises:
        ConfigError: the arguments of the loss do not fit, or the loss is for classes and the targets are numbers.
    """
    return Supervised(
        task,
        build_loss(settings, task),
        precision,
        settings.views,
        bool(settings.speed.compile),
        build_extra(settings, task),
        directions_of(settings.metrics),
    )


def untried_objective(settings: Settings, setup: Setup, net: nn.Module, precision: Precision) -> Objective:
    """Return what a network learns, for steps that are measured alone: nothing is tried out, or known of its metrics.

    Raises:
        ConfigError: the arguments of the loss do not fit, or a LightningModule has a method that would not be called.
    """
    if not has_own_loss(net):
        return build_supervised(settings, setup.splits.task, precision)
    sampler = build_sampler(settings, setup.splits, setup.device, Resolved({}, is_silent=True))
    attach_trainer(net, PlannedTrainer.of(make_plan(settings, sampler.steps_per_epoch)))
    return OwnSteps(net, precision)


def forward_pass(settings: Settings, setup: Setup, net: nn.Module, samples: int) -> Callable[[], object]:
    """Return a function that runs a network of the host on some samples, as a step of training runs it.

    Args:
        settings: the settings of the run.
        setup: the device and the data.
        net: the network, on the CPU.
        samples: the number of samples, at most as many as the training set has.

    Raises:
        ConfigError: the network is a LightningModule with a method that would not be called.
    """
    precision = choose_precision("off", torch.device("cpu"))
    host = replace(setup, device=replace(setup.device, torch_device=torch.device("cpu")))
    batch = batch_of(setup.splits.train, samples, host)
    objective = untried_objective(settings, setup, net, precision)
    return lambda: objective.forward(net, batch)


def batch_of(samples: Samples, size: int, setup: Setup) -> Batch:
    """Return a batch of the first samples of a set, on the device."""
    device = setup.device.torch_device
    learned = setup.learned
    batch = read_first(samples, min(size, size_of(samples)))
    return Preparation(scaling_on(device, learned) if learned.is_paired else None)(to_device(batch, device))


def _try_out(net: nn.Module, objective: OwnSteps, training: Batch, validation: Batch, device: torch.device) -> None:
    """Take a step of training and an evaluation of a batch with a LightningModule; its weights stay as they are.

    Raises:
        ConfigError: it fails.
    """
    was_training = net.training
    try:
        with single_pixel_convolutions(net) as convolutions:
            keep_buffers(net, lambda: objective.forward(net.train(), training))
        with torch.no_grad():
            objective.find_metrics(net.eval(), validation)
    except (FastrunError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise ConfigError(*instantiate.describe_error(type(net), error)) from error
    finally:
        net.train(was_training)
    if device.type == "cpu":
        for convolution in convolutions:
            keep_in_float32(convolution)
