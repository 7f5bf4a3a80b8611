"""Convolutions on maps of a single pixel, whose gradients torch miscomputes in bf16 on a CPU.

With torch 2.14, oneDNN's bf16 kernels leave NaN in the gradients of filters, above all of 3x3, on a map of 1x1, as deep
networks have on small images. In float32 the gradients are right, and on such maps cost nothing to speak of.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


@contextmanager
def single_pixel_convolutions(net: nn.Module) -> Iterator[list[nn.Module]]:
    """Collect the convolutions of a network whose input or output is a map of one pixel, in a block that calls it.

    Yields:
        A list that fills while the network is called.
    """
    found: list[nn.Module] = []

    def look(conv: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        maps = (part.shape[2:].numel() for part in (*inputs[:1], output))
        if 1 in maps and conv not in found:
            found.append(conv)

    convolutions = [module for module in net.modules() if isinstance(module, (nn.Conv1d, nn.Conv2d, nn.Conv3d))]
    hooks = [conv.register_forward_hook(look) for conv in convolutions]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def keep_in_float32(module: nn.Module) -> None:
    """Let a module compute in float32 wherever it is called under autocast on a CPU."""
    own = _WithoutAutocast()
    module.register_forward_pre_hook(own.enter)
    module.register_forward_hook(own.leave, always_call=True)


class _WithoutAutocast:
    """Hooks that turn autocast off for the duration of a module's forward pass."""

    def __init__(self) -> None:
        self.was_enabled = False

    def enter(self, _: nn.Module, inputs: tuple[Any, ...]) -> tuple[Any, ...] | None:
        self.was_enabled = torch.is_autocast_enabled("cpu")
        if not self.was_enabled:
            return None
        torch.set_autocast_enabled("cpu", False)
        return tuple(x.float() if isinstance(x, Tensor) else x for x in inputs)

    def leave(self, *_: object) -> None:
        if self.was_enabled:
            torch.set_autocast_enabled("cpu", True)
            self.was_enabled = False
