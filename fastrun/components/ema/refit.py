"""Running statistics of batch norms, measured again for the current weights of a network.

Source: Izmailov et al. 2018, section 3.2; the same numbers as :func:`torch.optim.swa_utils.update_bn`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from fastrun.components.norm.kinds import BatchNorm


def measuring_norms(net: nn.Module) -> list[BatchNorm]:
    """Return the batch norms that keep running statistics."""
    norms = [module for module in net.modules() if isinstance(module, BatchNorm)]
    return [norm for norm in norms if norm.track_running_stats and norm.running_mean is not None]


@torch.no_grad()
def refit(net: nn.Module, batches: Iterable[Any], forward: Callable[[Any], object] | None = None) -> None:
    """Set each batch norm's running mean and variance to the mean over batches, in place.

    During the measurement only the norms are in training mode, so there is no dropout and nothing random. Afterwards,
    modes, momenta and counts of batches are what they were before. Without a batch or a batch norm, nothing changes.

    Args:
        net: the network with the weights to measure.
        batches: batches, on the network's device.
        forward: runs the network on a batch; None to call it with the batch.
    """
    norms = measuring_norms(net)
    if not norms:
        return
    modes = [(module, module.training) for module in net.modules()]
    before = [(norm, norm.momentum, _count(norm)) for norm in norms]
    net.eval()
    try:
        for index, batch in enumerate(batches):
            if index == 0:
                _begin(norms)
            (forward or net)(batch)
    finally:
        for norm, momentum, count in before:
            norm.momentum = momentum
            if norm.num_batches_tracked is not None and count is not None:
                norm.num_batches_tracked.copy_(count)
        for module, mode in modes:
            module.training = mode


def _begin(norms: list[BatchNorm]) -> None:
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # average over all batches
        norm.train()


def _count(norm: BatchNorm) -> Tensor | None:
    return None if norm.num_batches_tracked is None else norm.num_batches_tracked.clone()
