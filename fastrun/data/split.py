"""Splitting tensors into train, validation and test sets."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from fastrun.errors import ConfigError


def split(x: Tensor, y: Tensor, fractions: dict[str, float], seed: int) -> dict[str, TensorDataset]:
    """Shuffle and cut samples into the named parts; ``train`` gets what the fractions leave.

    Each class is spread evenly over the parts (stratified), so that small parts have all of them.

    Raises:
        ConfigError: the fractions leave nothing to train on.
    """
    if sum(fractions.values()) >= 1 or min(fractions.values(), default=0) < 0:
        raise ConfigError(f"data fractions {fractions} leave nothing to train on", "their sum must be below 1")
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
    order = order[torch.argsort(y[order], stable=True)]
    position = torch.empty(len(y))  # of each sample within its class, in [0, 1)
    for label in torch.unique(y):
        members = order[y[order] == label]
        position[members] = (torch.arange(len(members)) + 0.5) / len(members)
    parts, low = {}, 0.0
    for name, fraction in fractions.items():
        parts[name] = (position >= low) & (position < low + fraction)
        low += fraction
    parts["train"] = position >= low
    return {name: TensorDataset(x[chosen], y[chosen]) for name, chosen in parts.items()}
