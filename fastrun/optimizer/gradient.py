"""The gradients of weights, as kernels over many tensors take them."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor


def gradients(weights: Iterable[Tensor]) -> list[Tensor]:
    """Return the gradients of those weights that have one; of a sparse one the values, of a complex one both parts."""
    return [_numbers(weight.grad) for weight in weights if weight.grad is not None]


def _numbers(gradient: Tensor) -> Tensor:
    if gradient.is_sparse:
        gradient = gradient._values()
    return torch.view_as_real(gradient) if gradient.is_complex() else gradient
