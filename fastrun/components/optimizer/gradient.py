"""The gradients of weights, in the form that kernels for many tensors take."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from fastrun.system.torch_internals import sparse_values


def gradients(weights: Iterable[Tensor]) -> list[Tensor]:
    """Return the gradients of the weights that have one.

    Returns:
        Dense real tensors: for a sparse gradient its values, for a complex one its real and imaginary parts.
    """
    return [_dense_real(weight.grad) for weight in weights if weight.grad is not None]


def _dense_real(gradient: Tensor) -> Tensor:
    if gradient.is_sparse:
        gradient = sparse_values(gradient)
    return torch.view_as_real(gradient) if gradient.is_complex() else gradient
