"""Muon: the momentum of each filter bank and matrix, orthogonalized, is its step.

Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks", and the same author's
airbench94_muon (github.com/KellerJordan/cifar10-airbench), whose values are the defaults here.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

Tensors = list[Tensor] | tuple[Tensor, ...]

_COEFFICIENTS = 3.4445, -4.7750, 2.0315  # a quintic with the steepest slope at zero that stays near one (Jordan 2024)
_TINY = 1e-7  # keeps a gradient or a weight of zeros from being divided by its norm


def muon(
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
) -> Muon:
    """Return Muon over the filters and matrices of a network, and SGD with Nesterov momentum over the rest.

    The rest are the last linear layer's weights (the head) and what has fewer than two dimensions (biases, gains).
    Airbench94 sums the loss over 2000 samples: where it is their mean, its ``head_lr`` and ``bias_lr`` are 2000 times
    the values here. Muon's own step does not depend on the gradient's scale.

    Args:
        net: the network; weights that need no gradient are left out.
        lr: the spectral norm of a hidden weight's step, nearly.
        momentum: of the hidden weights, in [0, 1).
        nesterov: look ahead by a step of momentum in the hidden weights; the rest always does.
        ns_steps: Newton-Schulz iterations; more bring small singular values closer to one.
        normalize: before its step, scale each hidden weight ``[out, ...]`` to the norm ``sqrt(out)``.
        head_lr: the rate of the head.
        bias_lr: the rate of biases and gains.
        sgd_momentum: of all but the hidden weights, in [0, 1).
        weight_decay: of head, biases and gains alone: the share that a step takes off them at the schedule's factor
            of one, whatever their rate. As in airbench94, ``weight_decay / rate`` times the weight is added to the
            gradient, so the momentum makes it ``1 / (1 - sgd_momentum)`` times as large in the long run.

    Raises:
        ValueError: a value is out of its range, or the network has no such filters or matrices.
    """
    _check_least(0, lr=lr, head_lr=head_lr, bias_lr=bias_lr, weight_decay=weight_decay)
    _check_least(1, ns_steps=ns_steps)
    _check_momentum(momentum=momentum, sgd_momentum=sgd_momentum)
    if nesterov and not momentum:
        raise ValueError("nesterov=true needs a momentum above 0")
    hidden, head, vectors = _parts(net)
    if not hidden:
        raise ValueError("muon needs a trainable weight of two or more dimensions before the head; this model has none")
    own = {"momentum": momentum, "nesterov": nesterov, "ns_steps": ns_steps, "normalize": normalize}
    groups: list[dict[str, Any]] = [{"params": hidden, "lr": lr, **own}]
    for weights, rate in ((head, head_lr), (vectors, bias_lr)):
        decay = weight_decay / rate if rate else 0.0
        groups.append({"params": weights, "lr": rate, "momentum": sgd_momentum, "weight_decay": decay})
    return Muon([group for group in groups if group["params"]])


class Muon(torch.optim.Optimizer):
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
    torch._foreach_clamp_min_(norms, _TINY)
    torch._foreach_div_(norms, [len(weight) ** 0.5 for weight in weights])
    torch._foreach_div_(weights, norms)


def orthogonalized(updates: Tensors, steps: int) -> list[Tensor]:
    """Return each update ``[out, ...]`` with its singular values, as a matrix ``[out, the rest]``, brought near one.

    Updates of one such shape are computed as a batch: small products leave most of a GPU idle. The order of a matrix's
    columns is free; channels go last, which is how filters lie in memory where images are channels-last.
    """
    moved = [update.movedim(1, -1) for update in updates]
    alike: dict[tuple[int, int], list[int]] = defaultdict(list)
    for place, update in enumerate(moved):
        alike[len(update), update.numel() // len(update)].append(place)
    found: dict[int, Tensor] = {}
    for shape, places in alike.items():
        batch = torch.stack([moved[place].reshape(shape) for place in places])
        found.update(zip(places, newton_schulz(batch, steps), strict=True))
    return [found[place].reshape(update.shape).movedim(-1, 1) for place, update in enumerate(moved)]


def newton_schulz(batch: Tensor, steps: int) -> Tensor:
    """Return matrices ``[n, rows, columns]`` with the same singular vectors and singular values between 0.68 and 1.21.

    So from a share of the norm on that falls with the steps: about 0.02 with three, 0.002 with five. In bf16 on CUDA,
    where its products are fastest and its precision is enough (Jordan 2024); elsewhere in the precision it comes in.
    """
    a, b, c = _COEFFICIENTS
    norms = torch.linalg.vector_norm(batch, dim=(1, 2), keepdim=True)
    x: Tensor = batch / norms.clamp_min(_TINY)  # no singular value is above one now
    if x.is_cuda:
        x = x.bfloat16()
    is_tall = x.shape[1] > x.shape[2]
    if is_tall:
        x = x.mT  # the smaller of the two Gram matrices
    for _ in range(steps):
        gram = torch.bmm(x, x.mT)
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, polynomial, x, beta=a)
    return (x.mT if is_tall else x).to(batch.dtype)


def _parts(net: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter], list[nn.Parameter]]:
    """Return the trainable weights: hidden ones of two or more dimensions, the head's, those of fewer dimensions."""
    linear = [module for module in net.modules() if isinstance(module, nn.Linear)]
    head = linear[-1].weight if linear else None
    trainable = [weight for weight in net.parameters() if weight.requires_grad]
    hidden = [weight for weight in trainable if weight.ndim >= 2 and weight is not head]
    vectors = [weight for weight in trainable if weight.ndim < 2]
    return hidden, [weight for weight in trainable if weight is head], vectors


def _check_least(least: int, **values: float) -> None:
    for name, value in values.items():
        if not value >= least:
            raise ValueError(f"{name}={value} is below {least}")


def _check_momentum(**values: float) -> None:
    for name, value in values.items():
        if not 0 <= value < 1:
            raise ValueError(f"{name}={value} is not in [0, 1)")
