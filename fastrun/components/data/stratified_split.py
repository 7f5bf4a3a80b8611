"""Splits samples into train, validation and test sets, class by class."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from fastrun.errors import ConfigError


def stratified_split(x: Tensor, y: Tensor, fractions: dict[str, float], seed: int) -> dict[str, TensorDataset]:
    """Split samples at random; see :func:`split_indices`.

    Args:
        x: inputs, ``[samples, …]``.
        y: labels, ``[samples]``.
        fractions: the fraction of each split except ``train``, which gets the rest.
        seed: the seed of the split.

    Returns:
        The splits by their names.

    Raises:
        ConfigError: the fractions leave nothing to train on.
    """
    indices = split_indices(y, fractions, seed)
    return {name: TensorDataset(x[own], y[own]) for name, own in indices.items()}


def split_indices(y: Tensor, fractions: dict[str, float], seed: int) -> dict[str, Tensor]:
    """Return the indices of the samples in each split.

    Each class is spread evenly over the splits, so that small splits contain every class, and ``train`` contains at
    least one sample of each class, whatever the fractions.

    Args:
        y: labels, ``[samples]``.
        fractions: the fraction of each split except ``train``, which gets the rest.
        seed: the seed of the split.

    Returns:
        The indices of each split, ascending.

    Raises:
        ConfigError: the fractions leave nothing to train on.
    """
    check_fractions(fractions)
    position = _positions(y, seed)
    masks, low = {}, 0.0
    for name, fraction in fractions.items():
        masks[name] = (position >= low) & (position < low + fraction)
        low += fraction
    masks["train"] = position >= low
    return {name: mask.nonzero().squeeze(1) for name, mask in masks.items()}


def _positions(y: Tensor, seed: int) -> Tensor:
    """Return the random position of each sample within its class, in [0, 1]; that of one sample per class is 1."""
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
    position = torch.empty(len(y))
    for label in torch.unique(y):
        members = order[y[order] == label]
        position[members] = (torch.arange(len(members)) + 0.5) / len(members)
        position[members[-1]] = 1.0  # so that this sample is in train
    return position


def check_fractions(fractions: dict[str, float]) -> None:
    """Check that the fractions leave something to train on.

    Raises:
        ConfigError: they do not, or one of them is negative.
    """
    if sum(fractions.values()) >= 1 or min(fractions.values(), default=0) < 0:
        raise ConfigError(f"data fractions {fractions} leave nothing to train on", "their sum must be below 1")
