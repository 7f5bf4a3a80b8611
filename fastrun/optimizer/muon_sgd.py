"""Muon as the CIFAR-10 speedruns have it: filters of a fixed norm, and SGD for what is not a matrix.

Source: Jordan's airbench94_muon (github.com/KellerJordan/cifar10-airbench), whose values are the defaults here.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from fastrun.optimizer.groups import parts
from fastrun.optimizer.orthogonal import TINY, Tensors, orthogonalized
from fastrun.optimizer.ranges import at_least, below_one


def muon_sgd(
    net: nn.Module,
    lr: float = 0.24,
    momentum: float = 0.6,
    nesterov: bool = True,
    ns_steps: int = 3,
    normalize: bool = True,
    head_lr: float = 0.67,
    bias_lr: float = 0.053,
    sgd_momentum: float = 0.85,
    weight_decay: float = 0.0,
) -> MuonSGD:
    """Return Muon over the filters and matrices of a network, and SGD with Nesterov momentum over the rest.

    The rest are the last linear layer's weights (the head) with embeddings, and biases, gains and positions.
    Airbench94 sums the loss over 2000 samples: where it is their mean, its ``head_lr`` and ``bias_lr`` are 2000 times
    the values here. Muon's own step does not depend on the gradient's scale.

    Args:
        net: the network; weights that need no gradient are left out.
        lr: the spectral norm of a hidden weight's step, nearly.
        momentum: of the hidden weights, in [0, 1).
        nesterov: look ahead by a step of momentum in the hidden weights; the rest always does.
        ns_steps: Newton-Schulz iterations; more bring small singular values closer to one.
        normalize: before its step, scale each hidden weight ``[out, ...]`` to the norm ``sqrt(out)``.
        head_lr: the rate of the head, and of embeddings.
        bias_lr: the rate of biases, gains and positions.
        sgd_momentum: of all but the hidden weights, in [0, 1).
        weight_decay: of head, biases and gains alone: the share that a step takes off them at the schedule's factor
            of one, whatever their rate. As in airbench94, ``weight_decay / rate`` times the weight is added to the
            gradient, so the momentum makes it ``1 / (1 - sgd_momentum)`` times as large in the long run.

    Raises:
        ValueError: a value is out of its range, or the network has no such filters or matrices.
    """
    at_least(0, lr=lr, head_lr=head_lr, bias_lr=bias_lr, weight_decay=weight_decay)
    at_least(1, ns_steps=ns_steps)
    below_one(momentum=momentum, sgd_momentum=sgd_momentum)
    if nesterov and not momentum:
        raise ValueError("nesterov=true needs a momentum above 0")
    hidden, head, vectors = parts(net)
    if not hidden:
        raise ValueError(
            "muon_sgd needs a trainable weight of two or more dimensions before the head; this model has none"
        )
    own = {"momentum": momentum, "nesterov": nesterov, "ns_steps": ns_steps, "normalize": normalize}
    groups: list[dict[str, Any]] = [{"params": hidden, "lr": lr, **own}]
    for weights, rate in ((head, head_lr), (vectors, bias_lr)):
        decay = weight_decay / rate if rate else 0.0
        groups.append({"params": weights, "lr": rate, "momentum": sgd_momentum, "weight_decay": decay})
    return MuonSGD([group for group in groups if group["params"]])


class MuonSGD(torch.optim.Optimizer):
    """Take each group's step: orthogonalized where the group has ``ns_steps``, SGD's where it has none."""

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        sgd = {"lr": 0.0, "momentum": 0.0, "nesterov": True, "weight_decay": 0.0, "ns_steps": 0, "normalize": False}
        super().__init__(groups, sgd)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Change the weights that have a gradient, in place; return the loss if a closure computes it anew."""
        loss = torch.enable_grad()(closure)() if closure else None
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if not weights:
                continue
            updates: Tensors = self._momentum(group, weights)
            if group["normalize"]:
                normalize(weights)
            if group["ns_steps"]:
                updates = orthogonalized(updates, group["ns_steps"])
            torch._foreach_add_(weights, updates, alpha=-group["lr"])
        return loss

    def _momentum(self, group: dict[str, Any], weights: list[Tensor]) -> Tensors:
        """Take the gradients into the momentum and return the directions to go; the gradients stay as they are."""
        gradients: Tensors = [weight.grad for weight in weights if weight.grad is not None]
        if group["weight_decay"]:
            gradients = torch._foreach_add(gradients, weights, alpha=group["weight_decay"])
        for weight in weights:
            if not self.state[weight]:
                self.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
        buffers = [self.state[weight]["momentum_buffer"] for weight in weights]
        torch._foreach_mul_(buffers, group["momentum"])
        torch._foreach_add_(buffers, gradients)
        return torch._foreach_add(gradients, buffers, alpha=group["momentum"]) if group["nesterov"] else buffers


def normalize(weights: Tensors) -> None:
    """Scale each weight ``[out, ...]`` in place to the norm ``sqrt(out)``; one of zeros stays so."""
    norms = torch._foreach_norm(weights)
    torch._foreach_clamp_min_(norms, TINY)
    torch._foreach_div_(norms, [len(weight) ** 0.5 for weight in weights])
    torch._foreach_div_(weights, norms)
