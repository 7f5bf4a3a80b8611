"""A running average of a network's tensors, updated by one call for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from fastrun.components.ema.refit import measuring_norms, refit
from fastrun.system.torch_internals import foreach_lerp_

Share = Callable[[int, int], float]  # (steps, updates) -> the share of the current weights; 0: no update


class Average:
    """A running average of a network's parameters and of the running statistics of its norms.

    It includes frozen parameters, which may be unfrozen later. It leaves out buffers that are not of a floating-point
    type (counts, masks) or not finite (masks).

    Args:
        net: the network.
        share: the share that the current weights get in each update.
        refit: the batches that :meth:`refit` needs; 0 for no refit.
        parameters: what to average in place of the network's parameters; None for these.

    Attributes:
        net: the network.
        share: as given.
        live: the network's tensors.
        averaged: their averages; empty before the first update.
        updates: the number of updates so far.
    """

    def __init__(
        self, net: nn.Module, share: Share, refit: int, parameters: Sequence[nn.Parameter] | None = None
    ) -> None:
        buffers = [buffer for buffer in net.buffers() if buffer.is_floating_point() and bool(buffer.isfinite().all())]
        self.net, self.share = net, share
        self.live: list[Tensor] = [*(net.parameters() if parameters is None else parameters), *buffers]
        self.averaged: list[Tensor] = []
        self.updates = 0
        self._is_stale = False  # whether the average has changed since its norms' statistics were measured
        self._refit = refit if measuring_norms(net) else 0

    def step(self, step: int) -> None:
        """Update the average after an optimizer step, if an update is due; ``step`` is the number of steps done."""
        share = self.share(step, self.updates)
        if share:
            self._update(share)
            self.updates += 1
            self._is_stale = True

    @torch.no_grad()
    def _update(self, share: float) -> None:
        if self.averaged:
            foreach_lerp_(self.averaged, self.live, share)
        else:
            self.averaged = [tensor.detach().clone() for tensor in self.live]

    def weights(self) -> list[tuple[Tensor, Tensor]]:
        """Return each tensor of the network with its average; an empty list before the first update."""
        return list(zip(self.live, self.averaged, strict=True)) if self.averaged else []

    @property
    def batches_to_refit(self) -> int:
        """Return how many training batches :meth:`refit` needs before an evaluation; 0 if no refit is needed."""
        return self._refit if self._is_stale else 0

    @torch.no_grad()
    def refit(self, batches: Iterable[Any], forward: Callable[[Any], object] | None = None) -> None:
        """Measure the norms' running statistics for the average, and make them a part of it.

        Args:
            batches: training batches. While they are read, the network's weights must be the averaged ones.
            forward: runs the network on a batch; None to call it with the batch.
        """
        refit(self.net, batches, forward)
        measured = {id(tensor) for norm in measuring_norms(self.net) for tensor in norm.buffers(recurse=False)}
        for live, averaged in self.weights():
            if id(live) in measured:
                averaged.copy_(live)
        self._is_stale = False

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint; the tensors are not copied."""
        return {"tensors": self.averaged, "updates": self.updates, "is_stale": self._is_stale}

    @torch.no_grad()
    def load(self, state: dict[str, Any]) -> None:
        """Continue from the :meth:`state` of a checkpoint, to the bit."""
        self.averaged = [torch.empty_like(tensor) for tensor in self.live] if state["tensors"] else []
        for own, other in zip(self.averaged, state["tensors"], strict=True):
            own.copy_(other)
        self.updates, self._is_stale = int(state["updates"]), bool(state["is_stale"])
