"""Building the update rule of a run: optimizer, learning-rate schedule, clipping, averaging."""

from __future__ import annotations

import inspect
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Any

from torch import nn
from torch.optim import Optimizer

from fastrun.components.amp.precision import Precision
from fastrun.components.batch.lr_scaling import lr_factor
from fastrun.components.clip.clipper import build_clipper
from fastrun.components.early_stopping.budget import Budget
from fastrun.components.ema import build_average
from fastrun.components.optimizer.elementwise import is_elementwise
from fastrun.components.optimizer.groups import decay_groups
from fastrun.components.optimizer.protocol import config_values, has_modes, needs_closure
from fastrun.components.optimizer.rates import rate_factors, scale_rates
from fastrun.components.schedule import Curve, Cycling
from fastrun.components.schedule.build import build_curve
from fastrun.components.transfer.frozen import build_frozen_body
from fastrun.components.transfer.rates import scale_body_rates
from fastrun.config import instantiate
from fastrun.config.objects import name_of
from fastrun.config.plan import Plan
from fastrun.config.settings import Settings
from fastrun.errors import ConfigError
from fastrun.training.step import UpdateRule

if TYPE_CHECKING:
    from fastrun.components.device.shards import Shards

_FORM = "an optimizer is a torch.optim.Optimizer of params, lr and further arguments: see docs/own.md"
_OURS: dict[str, Any] = {"layer_decay": 1.0, "lr_scale": None}  # keys that no optimizer is given, with their defaults


def build_update_rule(
    settings: Settings, net: nn.Module, precision: Precision, plan: Plan, shards: Shards | None = None
) -> UpdateRule:
    """Build the optimizer, the schedule, the clipping and everything else that turns gradients into new weights.

    Args:
        settings: the settings of the run.
        net: the network, on the device.
        precision: the precision that outputs are computed in.
        plan: the steps of the run.
        shards: the parts of the network's weights, if they are divided among processes.

    Raises:
        ConfigError: arguments of the optimizer or the schedule do not fit, or two options exclude each other.
    """
    frozen = build_frozen_body(settings.transfer, net, plan.release)
    optimizer = build_optimizer(settings, net)
    curve = build_curve(settings.schedule, steps_per_epoch=plan.steps_per_epoch, total_steps=plan.total_steps)
    _check_compatible(settings, precision, optimizer, curve)
    if shards is not None:
        _check_divisible(settings, precision, optimizer)
        shards.take_over(optimizer)
    ema = settings.ema
    if frozen is not None:
        frozen.record_groups(optimizer)
        if frozen.until == inf:
            ema = replace(ema, refit=0)  # norms that never train keep the statistics that were loaded
    seconds, rewound = settings.early_stopping.seconds, settings.on_divergence.rewinds
    return UpdateRule(
        optimizer=optimizer,
        base_lrs=[float(group["lr"]) for group in optimizer.param_groups],
        group_values=config_values(optimizer),
        curve=curve,
        clip=build_clipper(settings.clip, net, shards),
        precision=precision,
        accumulate=settings.batch.accumulate,
        seed=settings.seed,
        average=build_average(ema, net, plan.steps_per_epoch, plan.total_steps, shards.parts if shards else None),
        budget=Budget(seconds, plan.total_steps) if seconds else None,
        frozen=frozen,
        on_divergence=settings.on_divergence if rewound else None,
        shards=shards,
    )


def _check_compatible(settings: Settings, precision: Precision, optimizer: Optimizer, curve: Curve) -> None:
    """Check that the parts of an update rule work together.

    Raises:
        ConfigError: two of them exclude each other.
    """
    if precision.scaler is not None and needs_closure(optimizer):
        raise ConfigError("amp=fp16 scales the loss, which an optimizer with a closure does not allow", "use amp=bf16")
    if settings.early_stopping.seconds and settings.ema.kind == "swa":
        raise ConfigError("ema=swa starts at a step, which a budget of seconds does not know", "use ema=ema")
    if not isinstance(curve, Cycling):
        return
    if not all({"momentum", "betas"} & group.keys() for group in optimizer.param_groups):
        raise ConfigError("schedule.momentum: this optimizer has no momentum", "schedule.momentum=null")
    if has_modes(optimizer):  # its average is computed from the weights with the momentum
        raise ConfigError("schedule.momentum: the momentum of this optimizer must not change", "schedule.momentum=null")


def _check_divisible(settings: Settings, precision: Precision, optimizer: Optimizer) -> None:
    """Check that the parts of an update rule work on parts of weights as they do on whole ones.

    Raises:
        ConfigError: one of them does not.
    """
    if precision.scaler is not None:
        raise ConfigError("device=fsdp does not scale losses, which amp=fp16 needs", "use amp=bf16")
    transfer = settings.transfer
    if transfer.kind in ("linear_probe", "lora"):
        raise ConfigError(f"transfer={transfer.kind} trains a few weights, and device=fsdp all of them", "device=ddp")
    if transfer.kind == "finetune" and transfer.freeze != "0":
        message = f"device=fsdp trains all weights from the first step: transfer.freeze={transfer.freeze}"
        raise ConfigError(message, "transfer.freeze=0")
    name = settings.choices.get("optimizer") or name_of(settings.optimizer)
    if needs_closure(optimizer):
        raise ConfigError(f"optimizer={name} computes several losses a step, which device=fsdp does not", "device=ddp")
    config = {key: value for key, value in settings.optimizer.items() if key not in _OURS}
    if not is_elementwise(lambda net: _instantiate_optimizer(settings, config, net)):
        raise ConfigError(
            f"optimizer={name} takes whole weights, and device=fsdp divides them among processes",
            "use one that takes each element by itself, such as adamw, or device=ddp",
        )


def build_optimizer(settings: Settings, net: nn.Module) -> Optimizer:
    """Return the optimizer over the network's weights.

    A target that has an argument ``net`` is given the network and groups the weights itself. Any other target is given
    two groups: weights that are decayed; and norms, biases and positions, which are not. The learning rate of a weight
    is that of its group, times ``layer_decay`` to the power of its depth, times ``lr_scale``, times the factor of
    ``batch.lr_scaling``.

    Raises:
        ConfigError: arguments do not fit, or the target does not return an optimizer with learning rates.
    """
    config = {key: value for key, value in settings.optimizer.items() if key not in _OURS}
    layer_decay, lr_scale = (settings.optimizer.get(key, default) for key, default in _OURS.items())
    factors = rate_factors(net, layer_decay, {} if lr_scale is None else lr_scale)
    optimizer = _instantiate_optimizer(settings, config, net)
    scale_rates(optimizer, net, factors)
    for group in optimizer.param_groups:
        group["lr"] *= lr_factor(settings.batch)
    if settings.transfer.kind == "finetune":
        scale_body_rates(optimizer, net, settings.transfer.lr_scale, settings.transfer.layer_decay)
    if has_modes(optimizer):
        optimizer.train()  # type: ignore[attr-defined]
    return optimizer


def has_fused_kernels(settings: Settings) -> bool:
    """Say whether the run's optimizer has fused kernels that may be turned on and off."""
    config = {key: value for key, value in settings.optimizer.items() if key not in _OURS}
    bound = instantiate.bind("optimizer", config)
    return bound is not None and "fused" in inspect.signature(bound.func).parameters


def _instantiate_optimizer(settings: Settings, config: dict[str, Any], net: nn.Module) -> Optimizer:
    """Call the optimizer's target with the weights, or with the network, and the config's arguments."""
    bound = instantiate.bind("optimizer", config)
    if bound is None:
        raise ConfigError("optimizer._target_ is not set", "choose an optimizer: `fastrun options optimizer`")
    names = inspect.signature(bound.func).parameters
    if not {"params", "net"} & names.keys() and not any(one.kind is one.VAR_KEYWORD for one in names.values()):
        raise ConfigError(f"optimizer._target_={config['_target_']} takes no params", _FORM)
    instantiate.check_complete("optimizer", bound, "params", "net")
    flags = _kernel_flags(settings, bound)
    network = instantiate.accepted(bound, net=net)
    weights = [] if network else [decay_groups(net, _weight_decay(bound))]
    try:
        optimizer = bound(*weights, **network, **flags)
    except (ValueError, TypeError, RuntimeError) as error:
        raise ConfigError(f"optimizer: {str(error).splitlines()[0]}") from error
    if not isinstance(optimizer, Optimizer) or not all("lr" in group for group in optimizer.param_groups):
        message = f"optimizer._target_={config['_target_']} returns no optimizer with learning rates"
        raise ConfigError(message, _FORM)
    return optimizer


def _weight_decay(bound: instantiate.Bound) -> float:
    """Return the weight decay from the config, or else the default of the target."""
    parameter = inspect.signature(bound.func).parameters.get("weight_decay")
    decay = bound.keywords.get("weight_decay", parameter.default if parameter else 0.0)
    return decay if isinstance(decay, (int, float)) else 0.0


def _kernel_flags(settings: Settings, bound: instantiate.Bound) -> dict[str, Any]:
    """Return the flags that select the fastest kernels of an optimizer, which compute the same as the others.

    Raises:
        ConfigError: ``speed.fused`` is true and the optimizer has no fused kernels.
    """
    parameters = inspect.signature(bound.func).parameters
    is_enabled = settings.speed.fused
    if is_enabled is None:
        is_enabled = settings.speed.kind == "auto"
    elif is_enabled and "fused" not in parameters:
        raise ConfigError(f"speed.fused=true: {settings.optimizer['_target_']} has no fused kernels")
    if not is_enabled:
        return {}
    has_fused = "fused" in parameters and "foreach" not in bound.keywords
    flag = "fused" if has_fused else "foreach"
    return {flag: True} if flag in parameters and flag not in bound.keywords else {}
