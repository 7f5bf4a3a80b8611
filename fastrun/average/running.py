"""A second set of a network's tensors that is moved towards the first, by one call for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn

from fastrun.average.refit import measuring_norms, refit

Share = Callable[[int, int], float]  # of the weights in the average, for the steps and the updates done; 0: no update


class Average:
    """The parameters of a network, and what its norms measured, beside a running average of them.

    Frozen parameters are taken in too, for they may be freed later. Buffers that are no numbers (counts, masks) or
    not finite (masks again) have no average.
    """

    def __init__(self, net: nn.Module, share: Share, refit: int) -> None:
        buffers = [buffer for buffer in net.buffers() if buffer.is_floating_point() and bool(buffer.isfinite().all())]
        self.net, self.share = net, share
        self.live: list[Tensor] = [*net.parameters(), *buffers]
        self.averaged: list[Tensor] = []  # none until the first update
        self.updates = 0
        self._is_stale = False  # there is an update that the norms' statistics know nothing of
        self._refit = refit if measuring_norms(net) else 0

    def step(self, step: int) -> None:
        """Take in the weights after an optimizer step, where that is due; ``step`` is the number of steps done."""
        share = self.share(step, self.updates)
        if share:
            self._pull(share)
            self.updates += 1
            self._is_stale = True

    @torch.no_grad()
    def _pull(self, share: float) -> None:
        if self.averaged:
            torch._foreach_lerp_(self.averaged, self.live, share)
        else:
            self.averaged = [tensor.detach().clone() for tensor in self.live]

    def weights(self) -> list[tuple[Tensor, Tensor]]:
        """Return each tensor of the network with its average; nothing before the first update."""
        return list(zip(self.live, self.averaged, strict=True)) if self.averaged else []

    @property
    def batches_to_refit(self) -> int:
        """Return how many training batches :meth:`refit` should be given before an evaluation; 0: none are needed."""
        return self._refit if self._is_stale else 0

    @torch.no_grad()
    def refit(self, inputs: Iterable[Tensor]) -> None:
        """Measure the norms' statistics for the average, which the network must hold now, and keep them with it.

        They count until the next update: :meth:`weights` and :meth:`state` return them from now on.
        """
        refit(self.net, inputs)
        measured = {id(tensor) for norm in measuring_norms(self.net) for tensor in norm.buffers(recurse=False)}
        for live, averaged in self.weights():
            if id(live) in measured:
                averaged.copy_(live)
        self._is_stale = False

    def state(self) -> dict[str, Any]:
        """Return what :meth:`load` goes on from: numbers, and the tensors of the average, not copied."""
        return {"tensors": self.averaged, "updates": self.updates, "is_stale": self._is_stale}

    @torch.no_grad()
    def load(self, state: dict[str, Any]) -> None:
        """Stand where the state was taken, to the bit."""
        self.averaged = [torch.empty_like(tensor) for tensor in self.live] if state["tensors"] else []
        for own, other in zip(self.averaged, state["tensors"], strict=True):
            own.copy_(other)
        self.updates, self._is_stale = int(state["updates"]), bool(state["is_stale"])
