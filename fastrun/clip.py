"""Gradient clipping, on the device throughout."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from fastrun.settings import Clip

Clipper = Callable[[Sequence[nn.Parameter]], Tensor | None]


def clipper(clip: Clip) -> Clipper | None:
    """Return what clips gradients in place and returns their norm before it, if it knows; None for ``none``."""
    if clip.kind == "none":
        return None
    return (
        (lambda parameters: by_norm(parameters, clip.max)) if clip.kind == "norm" else (lambda p: by_value(p, clip.max))
    )


def by_norm(parameters: Sequence[nn.Parameter], limit: float) -> Tensor:
    """Scale all gradients together so that their 2-norm is at most ``limit``. Source: Pascanu et al. 2013."""
    return nn.utils.clip_grad_norm_(parameters, limit)


def by_value(parameters: Sequence[nn.Parameter], limit: float) -> None:
    """Limit each gradient to ``[-limit, limit]``."""
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    torch._foreach_clamp_min_(gradients, -limit)
    torch._foreach_clamp_max_(gradients, limit)
