"""Which optimizations the group ``speed`` applies to a run, and why it leaves others out."""

from __future__ import annotations

import torch
from torch import nn

from fastrun.components.speed.checkpointing import checkpoint_activations
from fastrun.components.speed.malloc import keep_freed_memory
from fastrun.components.speed.memory_format import has_convolutions, has_unsafe_convolutions, use_channels_last
from fastrun.config.settings import SpeedConfig
from fastrun.errors import ConfigError

Optimizations = dict[str, str]  # by name: the reason why it is not used, or an empty text if it is used

_UNSAFE = "oneDNN miscomputes the gradients of strided 1x1 convolutions of fewer than 16 channels"


def apply_optimizations(
    config: SpeedConfig, net: nn.Module, device: torch.device, deterministic: bool
) -> Optimizations:
    """Prepare a network on its device for speed.

    With ``auto``, networks with 2-d convolutions use channels-last. GPUs also use TF32 and let cuDNN choose kernels by
    trial, unless ``deterministic`` forbids it. CPUs keep freed memory.

    Args:
        config: the settings of the group.
        net: the network, on the device.
        device: the device.
        deterministic: whether the run refuses kernels that may differ from run to run.

    Returns:
        Each optimization with the reason why it is not used, or an empty text if it is used.

    Raises:
        ConfigError: ``channels_last=true`` for a network that it breaks.
    """
    plain = "" if config.kind == "auto" else "speed=plain"
    no_gpu = "" if device.type == "cuda" else "no GPU"
    no_cpu = "" if device.type == "cpu" else "the run is not on the CPU"
    optimizations = {
        "steps_per_call": "" if config.steps_per_call else plain,
        "channels_last": _check_channels_last(config, net, device),
        "tf32": no_gpu or _reason(config.tf32, plain),
        "cudnn_benchmark": no_gpu or plain or ("deterministic=true" if deterministic else ""),
        "malloc": _reason(config.malloc, plain or no_cpu),
        "compile": "" if config.compile else "takes seconds at the start; speed.compile=true turns it on",
    }
    if not optimizations["malloc"] and not keep_freed_memory():
        optimizations["malloc"] = "only glibc has mallopt"
    if config.checkpointing:
        checkpoint_activations(net)
        optimizations["checkpointing"] = ""
    if not optimizations["channels_last"]:
        use_channels_last(net)
    if device.type == "cuda":
        torch.set_float32_matmul_precision("highest" if optimizations["tf32"] else "high")
        torch.backends.cudnn.allow_tf32 = not optimizations["tf32"]
        torch.backends.cudnn.benchmark = not optimizations["cudnn_benchmark"]
    return optimizations


def describe_fused_kernels(optimizer: torch.optim.Optimizer) -> Optimizations:
    """Return whether an optimizer steps by fused kernels, in the form of :func:`apply_optimizations`."""
    is_fused = any(group.get("fused") for group in optimizer.param_groups)
    return {"fused": "" if is_fused else f"{type(optimizer).__name__} has none, or they are turned off"}


def describe(optimizations: Optimizations) -> tuple[str, str]:
    """Return two lines: the optimizations that are used, and the reasons why the others are not."""
    used = " ".join(name for name, reason in optimizations.items() if not reason)
    return used or "none", "; ".join(f"no {name}: {reason}" for name, reason in optimizations.items() if reason)


def _check_channels_last(config: SpeedConfig, net: nn.Module, device: torch.device) -> str:
    if device.type == "cpu" and has_unsafe_convolutions(net):
        if config.channels_last:
            raise ConfigError(f"speed.channels_last=true: {_UNSAFE}", "use speed.channels_last=null, or a wider model")
        return _reason(config.channels_last, _UNSAFE)
    no_images = "" if has_convolutions(net) else "no 2-d convolutions"
    return _reason(config.channels_last, no_images if config.kind == "auto" else "speed=plain")


def _reason(choice: bool | None, default: str) -> str:
    """Return why an optimization is not used: by the user's choice or, where there is none, for the default reason."""
    if choice is None:
        return default
    return "" if choice else "turned off in the config"
