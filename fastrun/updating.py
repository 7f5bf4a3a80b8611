"""How a step changes the weights: optimizer, learning-rate schedule, clipping."""

from __future__ import annotations

import inspect
from dataclasses import replace
from math import inf, sqrt
from typing import Any

import torch
from torch import nn

from fastrun import component
from fastrun.amp import Precision
from fastrun.average import average
from fastrun.budget import Budget
from fastrun.clip import clipper
from fastrun.errors import ConfigError
from fastrun.optimizer.groups import decayed
from fastrun.optimizer.protocol import has_modes, needs_closure
from fastrun.optimizer.rates import rate_factors, scale_rates
from fastrun.plan import Plan
from fastrun.schedule import Curve, Cycling
from fastrun.schedule.fitted import fitted
from fastrun.settings import Batch, Settings
from fastrun.stepping import Update
from fastrun.transfer.frozen import frozen_body
from fastrun.transfer.rates import slow_body


def update(settings: Settings, net: nn.Module, precision: Precision, plan: Plan) -> Update:
    """Put together what a step does beside forward and backward.

    Raises:
        ConfigError: arguments of the optimizer or the schedule do not fit.
    """
    ema, frozen = settings.ema, frozen_body(settings.transfer, net, plan.release)
    made = optimizer(settings, net)
    if frozen is not None:
        frozen.note(made)
        if frozen.until == inf:
            ema = replace(ema, refit=0)  # norms that never train go by the statistics that were loaded
    if precision.scaler is not None and needs_closure(made):
        raise ConfigError("amp=fp16 scales losses, which an optimizer with a closure does not allow", "use amp=bf16")
    seconds = settings.early_stopping.seconds
    if seconds and settings.ema.kind == "swa":
        raise ConfigError("ema=swa starts at a step, which a budget of seconds does not know", "use ema=ema")
    rates = curve(settings, plan)
    if isinstance(rates, Cycling):
        if not all({"momentum", "betas"} & group.keys() for group in made.param_groups):
            raise ConfigError("schedule.momentum: this optimizer has no momentum", "schedule.momentum=null")
        if has_modes(made):  # their average is computed from the weights by the momentum
            raise ConfigError("schedule.momentum: this optimizer's must not change", "schedule.momentum=null")
    return Update(
        made,
        rates,
        clipper(settings.clip, net),
        precision,
        settings.batch.accumulate,
        settings.seed,
        average(ema, net, plan.steps_per_epoch, plan.total_steps),
        Budget(seconds, plan.total_steps) if seconds else None,
        frozen,
        settings.on_divergence if settings.on_divergence.rewinds else None,
    )


def optimizer(settings: Settings, net: nn.Module) -> torch.optim.Optimizer:
    """Return the optimizer over the network's weights, each with its learning rate.

    A target that names ``net`` among its arguments is given the network, to part its weights itself; any other has
    them in groups, of which norms, biases and positions are not decayed. The rates are those of the groups, times
    ``layer_decay`` to the power of the depth, times ``lr_scale``, scaled to the batch if asked for.

    Raises:
        ConfigError: arguments do not fit, or what the target returns is no optimizer with learning rates.
    """
    config = dict(settings.optimizer)
    layer_decay, lr_scale = config.pop("layer_decay", 1.0), config.pop("lr_scale", None)
    factors = rate_factors(net, layer_decay, {} if lr_scale is None else lr_scale)
    bound = component.bind("optimizer", config)
    if bound is None:
        raise ConfigError("optimizer._target_ is not set", "choose one: `fastrun options optimizer`")
    component.missing("optimizer", bound, "params", "net")
    flags = _kernels(settings, bound)
    whole = component.named(bound, net=net)
    weights = [] if whole else [decayed(net, _weight_decay(bound))]
    try:
        made = bound(*weights, **whole, **flags)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ConfigError(f"optimizer: {str(error).splitlines()[0]}") from error
    if not isinstance(made, torch.optim.Optimizer) or not all("lr" in group for group in made.param_groups):
        raise ConfigError(f"optimizer._target_={config['_target_']} makes no optimizer that has learning rates")
    scale_rates(made, net, factors)
    _scale_to_batch(made, settings.batch)
    if settings.transfer.kind == "finetune":
        slow_body(made, net, settings.transfer.lr_scale, settings.transfer.layer_decay)
    if has_modes(made):
        made.train()  # type: ignore[attr-defined]
    return made


def _weight_decay(bound: component.Bound) -> float:
    """Return the decay as the config sets it, or else as the target has it of itself."""
    parameter = inspect.signature(bound.func).parameters.get("weight_decay")
    decay = bound.keywords.get("weight_decay", parameter.default if parameter else 0.0)
    return decay if isinstance(decay, (int, float)) else 0.0


def _scale_to_batch(made: torch.optim.Optimizer, batch: Batch) -> None:
    if batch.lr_scaling != "none":
        ratio = batch.size / batch.base_size
        for group in made.param_groups:
            group["lr"] *= ratio if batch.lr_scaling == "linear" else sqrt(ratio)


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
