"""Splitting samples into train, validation and test sets."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from fastrun.errors import ConfigError


def split(x: Tensor, y: Tensor, fractions: dict[str, float], seed: int) -> dict[str, TensorDataset]:
    """Shuffle and cut samples into the named parts; ``train`` gets what the fractions leave.

    Raises:
        ConfigError: the fractions leave nothing to train on.
    """
    return {name: TensorDataset(x[chosen], y[chosen]) for name, chosen in parts(y, fractions, seed).items()}


def parts(y: Tensor, fractions: dict[str, float], seed: int) -> dict[str, Tensor]:
    """Return the indices of each part's samples, ascending; ``train`` gets what the fractions leave.

    Each class is spread evenly over the parts (stratified), so that small parts have all of them, and ``train`` has at
    least one sample of each, whatever the fractions.

    Raises:
        ConfigError: the fractions leave nothing to train on.
    """
    check(fractions)
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
    order = order[torch.argsort(y[order], stable=True)]
    position = torch.empty(len(y))  # of each sample within its class, in [0, 1)
    for label in torch.unique(y):
        members = order[y[order] == label]
        position[members] = (torch.arange(len(members)) + 0.5) / len(members)
        position[members[-1]] = 1.0
    chosen, low = {}, 0.0
    for name, fraction in fractions.items():
        chosen[name] = (position >= low) & (position < low + fraction)
        low += fraction
    chosen["train"] = position >= low
    return {name: mask.nonzero().squeeze(1) for name, mask in chosen.items()}


def check(fractions: dict[str, float]) -> None:
    """Raise a ConfigError where the fractions leave nothing to train on."""
    if sum(fractions.values()) >= 1 or min(fractions.values(), default=0) < 0:
        raise ConfigError(f"data fractions {fractions} leave nothing to train on", "their sum must be below 1")
