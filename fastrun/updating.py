"""How a step changes the weights: optimizer, learning-rate schedule, clipping."""

from __future__ import annotations

import inspect
from math import sqrt
from typing import Any

import torch
from torch import nn

from fastrun import component
from fastrun.amp import Precision
from fastrun.budget import Budget
from fastrun.clip import clipper
from fastrun.errors import ConfigError
from fastrun.module import Update
from fastrun.optimizer.groups import decayed
from fastrun.plan import Plan
from fastrun.schedule import Curve
from fastrun.schedule.fitted import fitted
from fastrun.settings import Settings


def update(settings: Settings, net: nn.Module, precision: Precision, plan: Plan) -> Update:
    """Put together what a step does beside forward and backward.

    Raises:
        ConfigError: arguments of the optimizer or the schedule do not fit.
    """
    return Update(
        optimizer(settings, net),
        curve(settings, plan),
        clipper(settings.clip),
        precision,
        settings.batch.accumulate,
        settings.seed,
        budget=Budget(seconds, plan.total_steps) if (seconds := settings.early_stopping.seconds) else None,
    )


def optimizer(settings: Settings, net: nn.Module) -> torch.optim.Optimizer:
    """Return the optimizer over the network's weights, with the learning rates scaled to the batch if asked for.

    A target that names ``net`` among its arguments is given the network, to part its weights itself.
    """
    bound = component.bind("optimizer", settings.optimizer)
    if bound is None:
        raise ConfigError("optimizer._target_ is not set", "choose one: `fastrun options optimizer`")
    component.missing("optimizer", bound, "params", "net")
    flags = _kernels(settings, bound)
    whole = component.named(bound, net=net)
    weights = [] if whole else [decayed(net, settings.optimizer.get("weight_decay", 0.0))]
    try:
        made: torch.optim.Optimizer = bound(*weights, **whole, **flags)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ConfigError(f"optimizer: {str(error).splitlines()[0]}") from error
    if settings.batch.lr_scaling != "none":
        ratio = settings.batch.size / settings.batch.base_size
        for group in made.param_groups:
            group["lr"] *= ratio if settings.batch.lr_scaling == "linear" else sqrt(ratio)
    return made


def _kernels(settings: Settings, bound: component.Bound) -> dict[str, Any]:
    """Return the flags for the fastest kernels that the optimizer has; all of them compute the same."""
    known = inspect.signature(bound.func).parameters
    wanted = settings.speed.fused
    if wanted is None:
        wanted = settings.speed.kind == "auto"
    elif wanted and "fused" not in known:
        raise ConfigError(f"speed.fused=true: {settings.optimizer['_target_']} has no fused kernels")
    if not wanted:
        return {}
    flags: dict[str, Any] = {}
    if "fused" in known and "foreach" not in bound.keywords:
        flags["fused"] = True
    elif "foreach" in known:
        flags["foreach"] = True
    return {name: value for name, value in flags.items() if name not in bound.keywords}


def curve(settings: Settings, plan: Plan) -> Curve:
    """Return the learning-rate factor of each step: warmup, then the schedule over what is left of the run."""
    return fitted(settings.schedule, steps_per_epoch=plan.steps_per_epoch, total_steps=plan.total_steps)
