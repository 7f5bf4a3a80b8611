"""Activation checkpointing: a block's activations are computed again in the backward pass, and not kept until then.

Source: Chen et al. 2016, "Training deep nets with sublinear memory cost". Results are the same to the bit.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint

from fastrun.components.blocks import blocks
from fastrun.errors import ConfigError


def checkpoint_activations(net: nn.Module) -> None:
    """Let each block of a network keep its inputs alone for the backward pass.

    Raises:
        ConfigError: the network has no blocks.
    """
    found = blocks(net)
    if not found:
        message = "speed.checkpointing=true: this network has no list of blocks whose activations could be left out"
        raise ConfigError(message, "a network's blocks are the members of an nn.ModuleList or nn.Sequential")
    for block in found:
        block.forward = partial(_recomputed, block.forward)  # the names of its weights stay the same


def _recomputed(forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*args, **kwargs)
    return checkpoint(forward, *args, use_reentrant=False, **kwargs)
