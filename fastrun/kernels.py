"""What ``speed`` does to the network: memory layout, number formats of matrix products, compilation."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from fastrun.errors import ConfigError
from fastrun.settings import Speed

log = logging.getLogger("fastrun")


def arrange(speed: Speed, net: nn.Module, device: torch.device, deterministic: bool) -> tuple[str, str]:
    """Prepare a network on its device for speed; return what is used, and why no more.

    ``auto`` uses channels-last where there are 2-d convolutions (cudnn and oneDNN are faster so), and on GPUs TF32 and
    cudnn's choice of kernels by trial, which ``deterministic`` forbids.
    """
    auto = speed.kind == "auto"
    done = ["fused", "steps_per_call"] if auto else []
    if _asked(speed.channels_last, auto and has_images(net)):
        net.to(memory_format=torch.channels_last)
        done.append("channels_last")
    if device.type == "cuda":
        tf32 = _asked(speed.tf32, auto)
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = tf32
        torch.backends.cudnn.benchmark = auto and not deterministic
        done += ["tf32"] * tf32 + ["cudnn_benchmark"] * (auto and not deterministic)
    done += ["compile"] * speed.compile
    why = "as asked" if speed.compile or not auto else "speed.compile=true may help a long run"
    return " ".join(done) or "plain", why


def layout(net: nn.Module) -> torch.memory_format | None:
    """Return channels-last for a network that was arranged so, None for one that takes batches as they come."""
    weights = (module.weight for module in net.modules() if isinstance(module, nn.Conv2d))
    last = torch.channels_last
    return last if any(w.is_contiguous(memory_format=last) and not w.is_contiguous() for w in weights) else None


def compiled(net: nn.Module, mode: str, attempt: Callable[[], Any]) -> bool:
    """Compile a network in place, so that its weights keep their names, and try it out.

    Args:
        net: the network.
        mode: torch.compile's mode; ``reduce-overhead`` uses CUDA graphs.
        attempt: runs a forward and a backward pass, which is when the compiler works.

    Returns:
        whether it worked; where the compiler failed, the network runs as it was.

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
        return False
    return True


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


def _asked(wanted: bool | None, automatic: bool) -> bool:
    return automatic if wanted is None else wanted
