"""Whether an optimizer updates each element of a weight by the gradients of that element alone."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.optim import Optimizer

from fastrun.components.optimizer.protocol import has_modes

_ROWS, _COLUMNS, _STEPS = 256, 64, 3  # rows enough for optimizers that treat small matrices differently


def is_elementwise(build: Callable[[nn.Module], Optimizer]) -> bool:
    """Try whether an optimizer does to a matrix what it does to the matrix's two halves.

    Args:
        build: returns a new optimizer for a network.
    """
    random = torch.Generator().manual_seed(0)
    weight = torch.randn(_ROWS, _COLUMNS, generator=random)
    gradients = [torch.randn(_ROWS, _COLUMNS, generator=random) for _ in range(_STEPS)]
    whole, halves = _updated(build, weight, gradients, 1), _updated(build, weight, gradients, 2)
    return torch.allclose(whole, halves, rtol=1e-5, atol=1e-7)


def _updated(
    build: Callable[[nn.Module], Optimizer], weight: torch.Tensor, gradients: list[torch.Tensor], count: int
) -> torch.Tensor:
    """Return a matrix after some steps, with ``count`` parts of it as weights of their own."""
    layers = [nn.Linear(_COLUMNS, _ROWS // count, bias=False) for _ in range(count)]
    net = nn.Sequential(*layers, nn.Linear(2, 2))  # the last layer may be updated in another way than the others
    for layer, part in zip(layers, weight.chunk(count), strict=True):
        layer.weight.data.copy_(part)
    optimizer = build(net)
    if has_modes(optimizer):
        optimizer.train()  # type: ignore[attr-defined]
    for gradient in gradients:
        for layer, part in zip(layers, gradient.chunk(count), strict=True):
            layer.weight.grad = part.clone()
        optimizer.step()
    return torch.cat([layer.weight.detach() for layer in layers])
