"""A body that is held as it was loaded while the head learns.

Source: Kumar et al. 2022, "Fine-tuning can distort pretrained features and underperform out-of-distribution": the head
first, then the whole. A frozen batch norm goes by the statistics that it has, as in evaluation (Ioffe & Szegedy 2015).
"""

from __future__ import annotations

from collections.abc import Callable
from math import inf
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.optim import Optimizer

from fastrun.errors import ConfigError
from fastrun.settings import Transfer
from fastrun.transfer.head import body_of, head_of

Backward = Callable[[Tensor], Any]


def frozen_body(transfer: Transfer, net: nn.Module, release: int) -> Frozen | None:
    """Return what holds a body with trained weights, None where it trains from the first step on.

    A body that never trains is held at once, so that neither the optimizer nor other processes look at it.

    Raises:
        ConfigError: the network has no head that could train.
    """
    if transfer.kind == "linear_probe":
        frozen = Frozen(net)
        frozen.hold()
        return frozen
    return Frozen(net, release) if transfer.kind == "finetune" and release else None


class Frozen:
    """Holds the body of a network for the first steps of a run: its weights stay, and so do its norms' statistics.

    Attributes:
        until: the number of steps after which the body trains.
        is_held: whether it is held now.
    """

    def __init__(self, net: nn.Module, until: float = inf) -> None:
        """Note the body's weights that would train; those that are frozen for another reason stay so.

        Raises:
            ConfigError: the network has no head that could train.
        """
        if not any(weight.requires_grad for head in head_of(net) for weight in head.parameters()):
            raise ConfigError("transfer: this model has no head to train, no linear layer or convolution")
        self.until, self.is_held = until, False
        self._weights = [weight for weight in body_of(net) if weight.requires_grad]
        self._begun: dict[int, dict[str, Any]] = {}
        self._norms = [norm for norm in net.modules() if isinstance(norm, _NormBase) and norm.track_running_stats]

    def note(self, optimizer: Optimizer) -> None:
        """Note what the groups of the body's weights hold before the first step."""
        body = {id(weight) for weight in self._weights}
        groups = enumerate(optimizer.param_groups)
        self._begun = {
            place: {name: value for name, value in group.items() if name != "params"}
            for place, group in groups
            if all(id(weight) in body for weight in group["params"])
        }

    def hold(self) -> None:
        """Hold the body: its weights need no gradients, so that a backward pass is short."""
        self.is_held = True
        for weight in self._weights:
            weight.requires_grad_(False)
        self.keep_statistics()

    def hold_among_others(self, backward: Backward) -> Backward:
        """Hold the body in one of several processes; return the backward pass to take.

        Processes sum the gradients that they agreed on when they began, so all are computed, the body's then dropped.
        """
        self.is_held = True
        self.keep_statistics()

        def heads_alone(loss: Tensor) -> None:
            backward(loss)
            for weight in self._weights:
                weight.grad = None

        return heads_alone

    def keep_statistics(self) -> None:
        """Have the norms go by the statistics that they have, as a network in training mode does not."""
        for norm in self._norms:
            norm.eval()

    def release(self, optimizer: Optimizer) -> None:
        """Let the body train from now on, as from its first step.

        Optimizers that count steps a group, to correct young averages, must not take the body's for old ones.
        """
        self.is_held = False
        for weight in self._weights:
            weight.requires_grad_(True)
        for norm in self._norms:
            norm.train()
        for place, begun in self._begun.items():
            group = optimizer.param_groups[place]
            for name in group.keys() - begun.keys() - {"params"}:
                del group[name]
            group.update(begun)
