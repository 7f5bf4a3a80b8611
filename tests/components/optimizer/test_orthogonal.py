"""Orthogonalization: what becomes of singular values and vectors, in batches as one by one."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from fastrun.components.optimizer.orthogonal import newton_schulz, orthogonalized


def with_values(shape: tuple[int, int], values: Tensor) -> Tensor:
    """A matrix of random singular vectors with these singular values."""
    left, _, right = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    return left @ torch.diag(values) @ right


@pytest.mark.parametrize(
    ("steps", "least", "shape", "scale"),
    [
        (3, 0.02, (8, 8), 1e4),
        (3, 0.02, (8, 40), 1e-4),
        (3, 0.02, (40, 8), 1.0),
        (5, 0.002, (8, 8), 1e-4),
        (5, 0.002, (8, 40), 1.0),
        (5, 0.002, (40, 8), 1e4),
    ],
)
def test_singular_values_come_near_one_and_singular_vectors_stay(steps, least, shape, scale):
    torch.manual_seed(0)
    values = torch.logspace(0, -1, 8) * torch.tensor([1.0] * 7 + [10 * least * 1.7])
    matrix = with_values(shape, values)
    values = torch.linalg.svdvals(matrix / matrix.norm())
    assert values[-1] >= least
    (result,) = newton_schulz(scale * matrix[None], steps)
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)
    inner = left.T @ result @ right.T
    assert inner.diag().min() > 0.68
    assert inner.diag().max() < 1.21
    torch.testing.assert_close(inner, torch.diag(inner.diag()), atol=2e-4, rtol=0)
    for _ in range(steps):
        values = 3.4445 * values - 4.7750 * values**3 + 2.0315 * values**5
    torch.testing.assert_close(inner.diag(), values, atol=2e-4, rtol=0)


def test_a_batch_is_the_same_as_one_by_one():
    torch.manual_seed(0)
    updates = [torch.randn(shape) for shape in ((6, 2, 3, 3), (4, 9), (6, 18), (9, 4), (6, 2, 3, 3), (3, 5, 2))]
    together = orthogonalized(updates, 3)
    for update, result in zip(updates, together, strict=True):
        assert result.shape == update.shape
        (alone,) = newton_schulz(update.flatten(1)[None], 3)
        torch.testing.assert_close(result.flatten(1), alone, atol=1e-5, rtol=1e-5)


def test_zeros_stay_zeros():
    assert not newton_schulz(torch.zeros(2, 3, 4), 3).any()
