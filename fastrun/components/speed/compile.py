"""torch.compile, tried before the first step of a run."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from fastrun.errors import ConfigError

_MODES = "default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs"

log = logging.getLogger("fastrun")


def compile_network(net: nn.Module, mode: str, try_out: Callable[[], Any]) -> str | None:
    """Compile a network's ``forward``, and run it once. The weights of the network keep their names.

    Args:
        net: the network.
        mode: torch.compile's mode; ``reduce-overhead`` uses CUDA graphs.
        try_out: runs a forward and a backward pass, during which torch compiles.

    Returns:
        None, or why the compiler failed; the network is then not compiled.

    Raises:
        ConfigError: there is no such mode.
    """
    if mode not in _MODES:
        raise ConfigError(
            f"speed.compile_mode={mode} is not a mode of torch.compile", f"choose from {', '.join(_MODES)}"
        )
    restore(net)
    try:
        net.forward = torch.compile(net.forward, mode=mode)
        try_out()
    except Exception as error:  # a compiler can fail in any way, and the run can go on without it
        restore(net)
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        log.warning(f"torch.compile failed, the run goes on without it: {reason[:200]}")
        return f"failed: {reason[:200]}"
    return None


def restore(net: nn.Module) -> None:
    """Undo :func:`compile_network`: let the network use its class's ``forward`` again."""
    vars(net).pop("forward", None)
