"""torch.compile, tried before the first step of a run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from fastrun.components.speed.memory_format import has_unsafe_convolutions

log = logging.getLogger("fastrun")


def compile_network(net: nn.Module, mode: str, try_out: Callable[[], Any]) -> str | None:
    """Compile a network's ``forward``, and run it once. The weights of the network keep their names.

    Args:
        net: the network.
        mode: torch.compile's mode; ``reduce-overhead`` uses CUDA graphs.
        try_out: runs a forward and a backward pass, during which torch compiles.

    Returns:
        None, or why the compiler failed; the network is then not compiled.
    """
    restore(net)
    try:
        net.forward = torch.compile(net.forward, **_choices(net, mode))
        try_out()
    except Exception as error:  # a compiler can fail in any way, and the run can go on without it
        restore(net)
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        log.warning(f"torch.compile failed, the run goes on without it: {reason[:200]}")
        return f"failed: {reason[:200]}"
    return None


def _choices(net: nn.Module, mode: str) -> dict[str, Any]:
    """Return the arguments of torch.compile: the mode, or the options that it stands for on a CPU, and another one.

    The compiler puts convolutions into the channels-last format, in which oneDNN breaks the memory of a process where
    the network has certain convolutions: see :func:`has_unsafe_convolutions`.
    """
    is_on_cpu = all(weight.device.type == "cpu" for weight in net.parameters())
    if not (is_on_cpu and has_unsafe_convolutions(net)):
        return {"mode": mode}
    return {"options": {"layout_optimization": False, "max_autotune": mode.startswith("max-autotune")}}


def restore(net: nn.Module) -> None:
    """Undo :func:`compile_network`: let the network use its class's ``forward`` again."""
    vars(net).pop("forward", None)
