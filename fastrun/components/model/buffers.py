"""Restoring a network's buffers, such as the running statistics of its norms, after a trial."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn


def keep_buffers(net: nn.Module, work: Callable[[], Any]) -> None:
    """Call a function that uses a network, then restore the network's buffers and delete its gradients.

    Args:
        net: the network.
        work: the function; its result is ignored.
    """
    before: list[tuple[Tensor, Tensor]] = [(buffer, buffer.clone()) for buffer in net.buffers()]
    work()
    with torch.no_grad():
        for buffer, value in before:
            buffer.copy_(value)
    net.zero_grad()
