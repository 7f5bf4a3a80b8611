"""Gradient clipping, on the device throughout."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from fastrun.settings import Clip


@dataclass(frozen=True)
class Clipper:
    """Clips gradients in place and returns their norm before it, if it ``measures`` that."""

    clip: Callable[[Sequence[nn.Parameter]], Tensor | None]
    measures: bool = True

    def __call__(self, parameters: Sequence[nn.Parameter]) -> Tensor | None:
        """Clip the gradients of some weights."""
        return self.clip(parameters)


_norm: Callable[..., Tensor] = torch.linalg.vector_norm
_LEAST_NORM = 1e-6  # of a gradient, so that one of zero divides nothing by zero


def clipper(clip: Clip, net: nn.Module | None = None) -> Clipper | None:
    """Return what clips gradients in place and returns their norm before it, if it knows; None for ``none``.

    ``agc`` leaves out the last linear layer of the network, as its paper does.
    """
    if clip.kind == "none":
        return None
    if clip.kind == "norm":
        return Clipper(lambda parameters: by_norm(parameters, clip.max))
    if clip.kind == "value":
        return Clipper(lambda parameters: by_value(parameters, clip.max), measures=False)
    spared = frozenset(head(net)) if net is not None else frozenset()
    return Clipper(lambda parameters: by_unit(parameters, clip.max, clip.eps, spared))


def head(net: nn.Module) -> list[nn.Parameter]:
    """Return the weight and bias of a network's last linear layer, if it has one."""
    linear = [module for module in net.modules() if isinstance(module, nn.Linear)]
    return list(linear[-1].parameters()) if linear else []


def by_norm(parameters: Sequence[nn.Parameter], limit: float) -> Tensor:
    """Scale all gradients together so that their 2-norm is at most ``limit``. Source: Pascanu et al. 2013."""
    return nn.utils.clip_grad_norm_(parameters, limit)


def by_value(parameters: Sequence[nn.Parameter], limit: float) -> None:
    """Limit each gradient to ``[-limit, limit]``."""
    gradients = _gradients(parameters)
    torch._foreach_clamp_min_(gradients, -limit)
    torch._foreach_clamp_max_(gradients, limit)


@torch.no_grad()
def by_unit(
    parameters: Sequence[nn.Parameter], limit: float, eps: float, spared: frozenset[nn.Parameter] = frozenset()
) -> Tensor | None:
    """Scale each unit's gradient to a norm of at most ``limit`` times that of its weights, or of ``eps`` if larger.

    A unit is what makes one output: a row of a matrix, a filter; a vector (gains, biases) is one as a whole.
    Source: Brock et al. 2021, "High-performance large-scale image recognition without normalization", section 4.

    Args:
        parameters: weights with their gradients; those without one are passed over.
        limit: the largest ratio.
        eps: the least norm of a unit's weights to compare with, so that weights of zero can leave it.
        spared: parameters to leave as they are, unless nothing else has a gradient.

    Returns:
        The norm of all gradients before it, those of ``spared`` included; None where there are none.
    """
    trained = [parameter for parameter in parameters if parameter.grad is not None]
    clipped = [parameter for parameter in trained if parameter not in spared] or trained
    if not clipped:
        return None
    gradients = _gradients(clipped)
    # One line of norms for all units: what is done with them takes a kernel each, not a kernel each and weight.
    norms = [_unit_norms(gradient) for gradient in gradients]
    of_gradients = torch.cat([norm.flatten() for norm in norms])
    of_weights = torch.cat([_unit_norms(parameter).flatten() for parameter in clipped])
    scale = of_weights.clamp_min_(eps).mul_(limit).div_(of_gradients.clamp_min(_LEAST_NORM)).clamp_max_(1.0)
    scales = torch.split(scale, [norm.numel() for norm in norms])
    torch._foreach_mul_(gradients, [part.view_as(norm) for part, norm in zip(scales, norms, strict=True)])
    rest = (
        _gradients([parameter for parameter in trained if parameter in spared]) if len(clipped) < len(trained) else []
    )
    others = torch._foreach_norm(rest) if rest else []
    return _norm(torch.cat([of_gradients, *(norm.view(1) for norm in others)]))


def _gradients(parameters: Sequence[nn.Parameter]) -> list[Tensor]:
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def _unit_norms(x: Tensor) -> Tensor:
    """Return the 2-norm of each unit, shaped to be multiplied with ``x``."""
    return _norm(x, dim=tuple(range(1, x.ndim)) if x.ndim > 1 else None, keepdim=True)
