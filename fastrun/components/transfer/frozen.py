"""Freezes the body of a network as it was loaded while the head trains.

Source: Kumar et al. 2022, "Fine-tuning can distort pretrained features and underperform out-of-distribution": train the
head first, then the whole network. A frozen batch norm normalizes by the running statistics that it has, as in
evaluation (Ioffe & Szegedy 2015).
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from fastrun.components.norm.kinds import RunningNorm
from fastrun.components.transfer.head import body_of, head_of
from fastrun.config.settings import TransferConfig
from fastrun.errors import ConfigError

Backward = Callable[[Tensor], Any]


def build_frozen_body(transfer: TransferConfig, net: nn.Module, release: int) -> FrozenBody | None:
    """Build what freezes the body of a network with trained weights.

    A body that never trains is frozen at once, so that neither the optimizer nor other processes consider it.

    Args:
        transfer: the settings of the group.
        net: the network, with its trained weights.
        release: the number of steps after which the body trains.

    Returns:
        The frozen body, or None if the body trains from the first step on.

    Raises:
        ConfigError: the network has no head that could train.
    """
    if transfer.kind == "linear_probe":
        frozen = FrozenBody(net)
        frozen.freeze()
        return frozen
    if transfer.kind == "lora":
        frozen = FrozenBody(net, weights=[])  # adapters are in the body, and all else has no gradient already
        frozen.freeze()
        return frozen
    if transfer.kind == "finetune" and release:
        return FrozenBody(net, release)
    return None


class FrozenBody:
    """Freezes the body of a network for the first steps of a run: its weights and the statistics of its norms.

    Weights that do not require gradients when this is built stay frozen for good.

    Args:
        net: the network.
        until: the number of steps after which the body trains.
        weights: the weights that are frozen; None for those of the body.

    Attributes:
        until: the number of steps after which the body trains.
        is_frozen: whether the body is frozen now.

    Raises:
        ConfigError: the network has no head that could train.
    """

    def __init__(self, net: nn.Module, until: float = inf, weights: list[nn.Parameter] | None = None) -> None:
        if not any(weight.requires_grad for head in head_of(net) for weight in head.parameters()):
            raise ConfigError("transfer: this model has no head to train: no linear layer and no convolution")
        self.until, self.is_frozen = until, False
        self._weights = [one for one in body_of(net) if one.requires_grad] if weights is None else weights
        self._initial_groups: dict[int, dict[str, Any]] = {}
        self._norms = [norm for norm in net.modules() if isinstance(norm, RunningNorm) and norm.track_running_stats]

    def record_groups(self, optimizer: Optimizer) -> None:
        """Record the options of the optimizer's groups of body weights, before its first step."""
        body = {id(weight) for weight in self._weights}
        for index, group in enumerate(optimizer.param_groups):
            if all(id(weight) in body for weight in group["params"]):
                self._initial_groups[index] = {name: value for name, value in group.items() if name != "params"}

    def freeze(self) -> None:
        """Freeze the body; its weights then need no gradients, which makes the backward pass shorter."""
        self.is_frozen = True
        for weight in self._weights:
            weight.requires_grad_(False)
        self.keep_statistics()

    def freeze_distributed(self, backward: Backward) -> Backward:
        """Freeze the body in one of several processes.

        The processes reduce the gradients that they agreed on at the start, so all gradients are computed, and those of
        the body are then dropped.

        Args:
            backward: computes all gradients from a loss.

        Returns:
            The backward pass to use instead.
        """
        self.is_frozen = True
        self.keep_statistics()

        def backward_of_head(loss: Tensor) -> None:
            backward(loss)
            for weight in self._weights:
                weight.grad = None

        return backward_of_head

    def keep_statistics(self) -> None:
        """Let the norms use their running statistics without updating them, also in training mode."""
        for norm in self._norms:
            norm.eval()

    def release(self, optimizer: Optimizer) -> None:
        """Let the body train from now on, as if this were its first step.

        Some optimizers count steps in a group to correct the bias of young averages. The groups of the body are
        therefore reset to what they held at the start.
        """
        self.is_frozen = False
        for weight in self._weights:
            weight.requires_grad_(True)
        for norm in self._norms:
            norm.train()
        for index, initial in self._initial_groups.items():
            group = optimizer.param_groups[index]
            for name in group.keys() - initial.keys() - {"params"}:
                del group[name]
            group.update(initial)
