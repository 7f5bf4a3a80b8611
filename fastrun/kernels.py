"""What ``speed`` does to a run: memory layout, number formats of matrix products, the allocator, compilation."""

from __future__ import annotations

import ctypes
import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from fastrun.errors import ConfigError
from fastrun.settings import Speed

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h

log = logging.getLogger("fastrun")


def arrange(speed: Speed, net: nn.Module, device: torch.device, deterministic: bool) -> dict[str, str]:
    """Prepare a network on its device for speed; return each lever with why it is not used, or nothing if it is.

    ``auto`` uses channels-last where there are 2-d convolutions (cudnn and oneDNN are faster so), and on GPUs TF32 and
    cudnn's choice of kernels by trial, which ``deterministic`` forbids; on CPUs freed memory is kept.
    """
    auto = speed.kind == "auto"
    plain = "" if auto else "speed=plain"
    no_gpu = "" if device.type == "cuda" else "no GPU"
    levers = {
        "steps_per_call": "" if speed.steps_per_call else plain,
        "channels_last": _unused(speed.channels_last, plain or ("" if has_images(net) else "no 2-d convolutions")),
        "tf32": no_gpu or _unused(speed.tf32, plain),
        "cudnn_benchmark": no_gpu or plain or ("deterministic=true" if deterministic else ""),
        "malloc": _unused(speed.malloc, plain or ("" if device.type == "cpu" else "the run is not on the CPU")),
        "compile": "" if speed.compile else "takes seconds at the start: ask with speed.compile=true",
    }
    if not levers["malloc"] and not keep_freed_memory():
        levers["malloc"] = "only glibc has mallopt"
    if not levers["channels_last"]:
        net.to(memory_format=torch.channels_last)
    if device.type == "cuda":
        torch.set_float32_matmul_precision("highest" if levers["tf32"] else "high")
        torch.backends.cudnn.allow_tf32 = not levers["tf32"]
        torch.backends.cudnn.benchmark = not levers["cudnn_benchmark"]
    return levers


def keep_freed_memory() -> bool:
    """Have glibc keep what is freed instead of giving it back; return whether it will, as only glibc can.

    By default it returns every block of 32 MB or more at once, and the system clears it anew for the next step: with
    large batches that takes longer than the network. Source: mallopt(3); PyTorch's tuning guide for CPUs.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, 1 << 30) and mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1))


def kernels_of(optimizer: torch.optim.Optimizer) -> dict[str, str]:
    """Return whether an optimizer steps by fused kernels, in the form of :func:`arrange`."""
    is_fused = any(group.get("fused") for group in optimizer.param_groups)
    return {"fused": "" if is_fused else f"{type(optimizer).__name__} has none, or was not to use them"}


def told(levers: dict[str, str]) -> tuple[str, str]:
    """Return the levers that are used, and why not the others, each in a line."""
    used = " ".join(name for name, why in levers.items() if not why)
    return used or "none", "; ".join(f"no {name}: {why}" for name, why in levers.items() if why)


def _unused(wanted: bool | None, otherwise: str) -> str:
    """Return why a lever is not used: as it was asked for, or, where it was not, for another reason."""
    return otherwise if wanted is None else "" if wanted else "as asked"


def layout(net: nn.Module) -> torch.memory_format | None:
    """Return channels-last for a network that was arranged so, None for one that takes batches as they come."""
    weights = (module.weight for module in net.modules() if isinstance(module, nn.Conv2d))
    last = torch.channels_last
    return last if any(w.is_contiguous(memory_format=last) and not w.is_contiguous() for w in weights) else None


def compiled(net: nn.Module, mode: str, attempt: Callable[[], Any]) -> str | None:
    """Compile a network in place, so that its weights keep their names, and try it out.

    Args:
        net: the network.
        mode: torch.compile's mode; ``reduce-overhead`` uses CUDA graphs.
        attempt: runs a forward and a backward pass, which is when the compiler works.

    Returns:
        None, or what the compiler failed with: the network runs as it was then.

    Raises:
        ConfigError: there is no such mode.
    """
    known = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")
    if mode not in known:
        raise ConfigError(f"speed.compile_mode={mode} is not known", f"choose from {', '.join(known)}")
    try:
        net.compile(mode=mode)
        attempt()
    except Exception as error:  # a compiler can fail in any way; the run need not
        net._compiled_call_impl = None
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        log.warning(f"compile failed, going on without: {reason[:200]}")
        return f"failed: {reason[:200]}"
    return None


def keep_buffers(net: nn.Module, work: Callable[[], Any]) -> None:
    """Do some work with a network and put its buffers (a norm's running statistics) and gradients back after it."""
    before: list[tuple[Tensor, Tensor]] = [(buffer, buffer.clone()) for buffer in net.buffers()]
    work()
    with torch.no_grad():
        for buffer, value in before:
            buffer.copy_(value)
    net.zero_grad()


def has_images(net: nn.Module) -> bool:
    """Say whether a network has 2-d convolutions."""
    return any(isinstance(module, nn.Conv2d) for module in net.modules())
