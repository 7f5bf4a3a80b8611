"""Orthogonalization: all singular values of a matrix become nearly one, by matrix products alone.

Source: Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks".
"""

from __future__ import annotations

from collections import defaultdict
from typing import Annotated

import torch
from torch import Tensor

from fastrun.config.constraints import Range

Iterations = Annotated[int, Range(ge=1, le=100)]
Tensors = list[Tensor] | tuple[Tensor, ...]

_COEFFICIENTS = 3.4445, -4.7750, 2.0315  # a quintic with the steepest slope at zero that stays near one (Jordan 2024)
TINY = 1e-7  # the least norm to divide by, for gradients and weights of zeros


def orthogonalized(updates: Tensors, steps: int) -> list[Tensor]:
    """Return each update ``[out, ...]``, orthogonalized as a matrix ``[out, rest]``.

    Updates of the same matrix shape are computed as a batch, since small products leave most of a GPU idle. The order
    of a matrix's columns does not matter, so channels become the last dimension: filters with the memory layout
    channels-last then need no copy.

    Args:
        updates: tensors of two or more dimensions.
        steps: Newton-Schulz iterations.
    """
    moved = [update.movedim(1, -1) for update in updates]
    alike: dict[tuple[int, int], list[int]] = defaultdict(list)
    for index, update in enumerate(moved):
        alike[len(update), update.numel() // len(update)].append(index)
    results: dict[int, Tensor] = {}
    for shape, indices in alike.items():
        batch = torch.stack([moved[index].reshape(shape) for index in indices])
        results.update(zip(indices, newton_schulz(batch, steps), strict=True))
    return [results[index].reshape(update.shape).movedim(-1, 1) for index, update in enumerate(moved)]


def newton_schulz(batch: Tensor, steps: int) -> Tensor:
    """Return matrices ``[n, rows, columns]`` with the same singular vectors and singular values between 0.68 and 1.21.

    This holds for singular values above a share of the matrix norm: about 0.02 with three steps, 0.002 with five. On
    CUDA the computation is in bf16, whose products are fastest and whose precision suffices (Jordan 2024). On other
    devices it is in the precision of the input.

    Args:
        batch: the matrices.
        steps: the number of iterations.
    """
    a, b, c = _COEFFICIENTS
    norms = torch.linalg.vector_norm(batch, dim=(1, 2), keepdim=True)
    x: Tensor = batch / norms.clamp_min(TINY)  # no singular value is above one now
    if x.is_cuda:
        x = x.bfloat16()
    is_tall = x.shape[1] > x.shape[2]
    if is_tall:
        x = x.mT  # so that the Gram matrix is the smaller one
    for _ in range(steps):
        gram = torch.bmm(x, x.mT)
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, polynomial, x, beta=a)
    return (x.mT if is_tall else x).to(batch.dtype)
