"""Muon as in the CIFAR-10 speedruns: filters of a fixed norm, and SGD for the parameters that are not matrices.

Source: Jordan's airbench94_muon (github.com/KellerJordan/cifar10-airbench); the defaults are its values.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from fastrun.components.optimizer.groups import parts
from fastrun.components.optimizer.orthogonal import TINY, Iterations, Tensors, orthogonalized
from fastrun.config.constraints import BelowOne, NotNegative
from fastrun.system.torch_internals import (
    foreach_add,
    foreach_add_,
    foreach_clamp_min_,
    foreach_div_,
    foreach_mul_,
    foreach_norm,
)


def muon_sgd(
    net: nn.Module,
    lr: NotNegative = 0.24,
    momentum: BelowOne = 0.6,
    nesterov: bool = True,
    ns_steps: Iterations = 3,
    normalize: bool = True,
    head_lr: NotNegative = 0.67,
    bias_lr: NotNegative = 0.053,
    sgd_momentum: BelowOne = 0.85,
    weight_decay: NotNegative = 0.0,
) -> MuonSGD:
    """Return Muon over the filters and matrices of a network, and SGD with Nesterov momentum over the rest.

    The rest are the last linear layer's weights (the head) with embeddings, and biases, gains and positions.
    The defaults are those of airbench94, which sums the loss over 2000 samples. With a loss that is a mean, 2000 times
    the default ``head_lr`` and ``bias_lr`` correspond to it. Muon's own step does not depend on the gradient's scale.

    Args:
        net: the network; frozen weights are left out.
        lr: about the spectral norm of a hidden weight's step.
        momentum: of the hidden weights, in [0, 1).
        nesterov: whether the hidden weights use Nesterov momentum; the rest always does.
        ns_steps: Newton-Schulz iterations; more bring small singular values closer to one.
        normalize: before its step, scale each hidden weight ``[out, ...]`` to the norm ``sqrt(out)``.
        head_lr: the learning rate of the head and of embeddings.
        bias_lr: the learning rate of biases, gains and positions.
        sgd_momentum: of the rest, in [0, 1).
        weight_decay: of head, biases and gains alone: the share that a step takes off them at the schedule's factor
            of one, whatever their rate. As in airbench94, ``weight_decay / rate`` times the weight is added to the
            gradient, so the momentum makes it ``1 / (1 - sgd_momentum)`` times as large in the long run.

    Raises:
        ValueError: ``nesterov`` without a momentum, or the network has no such filters or matrices.
    """
    if nesterov and not momentum:
        raise ValueError("nesterov=true needs a momentum above 0")
    hidden, head, vectors = parts(net)
    if not hidden:
        raise ValueError(
            "muon_sgd needs a trainable weight of two or more dimensions before the head; this model has none"
        )
    orthogonal = {"momentum": momentum, "nesterov": nesterov, "ns_steps": ns_steps, "normalize": normalize}
    groups: list[dict[str, Any]] = [{"params": hidden, "lr": lr, **orthogonal}]
    for weights, rate in ((head, head_lr), (vectors, bias_lr)):
        decay = weight_decay / rate if rate else 0.0
        groups.append({"params": weights, "lr": rate, "momentum": sgd_momentum, "weight_decay": decay})
    return MuonSGD([group for group in groups if group["params"]])


class MuonSGD(torch.optim.Optimizer):
    """The optimizer of :func:`muon_sgd`: groups with ``ns_steps`` take orthogonalized steps, the others SGD's."""

    def __init__(self, groups: list[dict[str, Any]]) -> None:
        sgd = {"lr": 0.0, "momentum": 0.0, "nesterov": True, "weight_decay": 0.0, "ns_steps": 0, "normalize": False}
        super().__init__(groups, sgd)

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update the weights that have a gradient, and return the loss of the closure, if there is one."""
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
            foreach_add_(weights, updates, alpha=-group["lr"])
        return loss

    def _momentum(self, group: dict[str, Any], weights: list[Tensor]) -> Tensors:
        """Update the momentum and return the directions of the step; the gradients are left unchanged."""
        gradients: Tensors = [weight.grad for weight in weights if weight.grad is not None]
        if group["weight_decay"]:
            gradients = foreach_add(gradients, weights, alpha=group["weight_decay"])
        for weight in weights:
            if not self.state[weight]:
                self.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
        buffers = [self.state[weight]["momentum_buffer"] for weight in weights]
        foreach_mul_(buffers, group["momentum"])
        foreach_add_(buffers, gradients)
        return foreach_add(gradients, buffers, alpha=group["momentum"]) if group["nesterov"] else buffers


def normalize(weights: Tensors) -> None:
    """Scale each weight ``[out, ...]`` in place to the norm ``sqrt(out)``; a weight of zeros is left unchanged."""
    norms = foreach_norm(weights)
    foreach_clamp_min_(norms, TINY)
    foreach_div_(norms, [len(weight) ** 0.5 for weight in weights])
    foreach_div_(weights, norms)
