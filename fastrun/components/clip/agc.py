"""Adaptive gradient clipping (AGC): the norm of each unit's weights limits its gradient.

Source: Brock et al. 2021, "High-performance large-scale image recognition without normalization", section 4.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from fastrun.system.torch_internals import foreach_mul_, foreach_norm

_LEAST_NORM = 1e-6  # of a gradient, so that nothing is divided by zero
_norm: Callable[..., Tensor] = torch.linalg.vector_norm


def head(net: nn.Module) -> list[nn.Parameter]:
    """Return the weight and bias of a network's last linear layer, if it has one."""
    linear = [module for module in net.modules() if isinstance(module, nn.Linear)]
    return list(linear[-1].parameters()) if linear else []


@torch.no_grad()
def by_unit(
    parameters: Sequence[nn.Parameter], limit: float, eps: float, exempt: frozenset[nn.Parameter] = frozenset()
) -> Tensor | None:
    """Scale the gradient of each unit so that its norm is at most ``limit`` times the norm of the unit's weights.

    A unit consists of the weights that compute one output: a row of a matrix, or a filter. A vector (gains, biases) is
    a single unit.

    Args:
        parameters: weights with their gradients; those without a gradient are skipped.
        limit: the largest ratio of the norms.
        eps: the least norm that the weights of a unit count with, so that weights of zero can change.
        exempt: parameters whose gradients are not clipped, unless no other parameter has a gradient.

    Returns:
        The norm of all gradients before clipping, including those of ``exempt``; None where there are none.
    """
    trained = [parameter for parameter in parameters if parameter.grad is not None]
    clipped = [parameter for parameter in trained if parameter not in exempt] or trained
    if not clipped:
        return None
    gradients = _gradients(clipped)
    # The norms of all units in one tensor: one kernel for each operation, not one for each operation and weight.
    norms = [_unit_norms(gradient) for gradient in gradients]
    of_gradients = torch.cat([norm.flatten() for norm in norms])
    of_weights = torch.cat([_unit_norms(parameter).flatten() for parameter in clipped])
    scale = of_weights.clamp_min_(eps).mul_(limit).div_(of_gradients.clamp_min(_LEAST_NORM)).clamp_max_(1.0)
    scales = torch.split(scale, [norm.numel() for norm in norms])
    foreach_mul_(gradients, [part.view_as(norm) for part, norm in zip(scales, norms, strict=True)])
    if len(clipped) == len(trained):
        return _norm(of_gradients)
    rest = foreach_norm(_gradients([parameter for parameter in trained if parameter in exempt]))
    return _norm(torch.cat([of_gradients, *(norm.view(1) for norm in rest)]))


def _gradients(parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def _unit_norms(x: Tensor) -> Tensor:
    """Return the 2-norm of each unit, shaped to be multiplied with ``x``."""
    return _norm(x, dim=tuple(range(1, x.ndim)) if x.ndim > 1 else None, keepdim=True)
