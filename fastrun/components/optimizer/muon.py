"""Muon: steps along the orthogonalized momentum for matrices and filters, and AdamW for the other parameters.

Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks" (github.com/KellerJordan/Muon).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim.adamw import adamw

from fastrun.components.optimizer.groups import parts
from fastrun.components.optimizer.orthogonal import Iterations, Tensors, orthogonalized
from fastrun.config.constraints import BelowOne, NotNegative
from fastrun.system.torch_internals import foreach_add_, foreach_lerp, foreach_lerp_, foreach_mul_

Group = dict[str, Any]


def muon(
    net: nn.Module,
    lr: NotNegative = 0.02,
    momentum: BelowOne = 0.95,
    nesterov: bool = True,
    ns_steps: Iterations = 5,
    weight_decay: NotNegative = 0.01,
    adamw_lr: NotNegative = 3e-3,
    adamw_betas: tuple[BelowOne, BelowOne] = (0.9, 0.95),
    adamw_eps: NotNegative = 1e-8,
    fused: bool | None = None,
) -> Muon:
    """Return Muon over the hidden matrices and filters of a network, and AdamW over the rest.

    The rest are embeddings, the head (the last linear layer's weights), biases, norms, tokens and positions.

    Args:
        net: the network; frozen weights are left out.
        lr: about the spectral norm of a hidden weight's step, if it has no more rows than columns.
        momentum: of the hidden weights, in [0, 1).
        nesterov: whether to use Nesterov momentum.
        ns_steps: Newton-Schulz iterations; more bring small singular values closer to one.
        weight_decay: decoupled; applies to matrices, filters, embeddings and the head.
        adamw_lr: the learning rate of the rest.
        adamw_betas: the betas of AdamW, each in [0, 1).
        adamw_eps: the eps of AdamW.
        fused: whether AdamW uses fused kernels; None lets torch choose.

    Raises:
        ValueError: the network has no such matrices or filters.
    """
    hidden, tables, rest = parts(net)
    if not hidden:
        raise ValueError("muon needs a trainable weight of two or more dimensions before the head; this model has none")
    orthogonal = {"lr": lr, "momentum": momentum, "nesterov": nesterov, "ns_steps": ns_steps}
    adaptive = {"lr": adamw_lr, "betas": adamw_betas, "eps": adamw_eps, "fused": fused}
    groups: list[Group] = [
        {"params": hidden, "weight_decay": weight_decay, **orthogonal},
        {"params": tables, "weight_decay": weight_decay, **adaptive},
        {"params": rest, "weight_decay": 0.0, **adaptive},
    ]
    return Muon([group for group in groups if group["params"]])


class Muon(torch.optim.Optimizer):
    """The optimizer of :func:`muon`: groups with ``ns_steps`` take orthogonalized steps, the others AdamW's."""

    def __init__(self, groups: list[Group]) -> None:
        super().__init__(groups, {})

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update the weights that have a gradient, and return the loss of the closure, if there is one."""
        loss = torch.enable_grad()(closure)() if closure else None
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            gradients = [weight.grad for weight in weights]
            if weights:
                (self._orthogonal if "ns_steps" in group else self._adaptive)(group, weights, gradients)
        return loss

    def _orthogonal(self, group: Group, weights: list[Tensor], gradients: list[Tensor]) -> None:
        for weight in weights:
            if not self.state[weight]:
                self.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
        buffers = [self.state[weight]["momentum_buffer"] for weight in weights]
        foreach_lerp_(buffers, gradients, 1 - group["momentum"])
        directions: Tensors = foreach_lerp(gradients, buffers, group["momentum"]) if group["nesterov"] else buffers
        steps = orthogonalized(directions, group["ns_steps"])
        foreach_mul_(steps, [max(1.0, len(weight) ** 2 / weight.numel()) ** 0.5 for weight in weights])
        if group["weight_decay"]:
            foreach_mul_(weights, 1 - group["lr"] * group["weight_decay"])
        foreach_add_(weights, steps, alpha=-group["lr"])

    def _adaptive(self, group: Group, weights: list[Tensor], gradients: list[Tensor]) -> None:
        for weight in weights:
            if not self.state[weight]:
                device = weight.device if group["fused"] else None  # other kernels read the count on the host
                zeros = {name: torch.zeros_like(weight) for name in ("exp_avg", "exp_avg_sq")}
                self.state[weight].update(zeros, step=torch.zeros((), dtype=torch.float32, device=device))
        first, second, counts = (
            [self.state[weight][name] for weight in weights] for name in ("exp_avg", "exp_avg_sq", "step")
        )
        beta1, beta2 = group["betas"]
        values: Group = {name: group[name] for name in ("lr", "weight_decay", "eps", "fused")}
        flags: Group = {"amsgrad": False, "maximize": False}
        adamw(weights, gradients, first, second, [], counts, beta1=beta1, beta2=beta2, **values, **flags)
