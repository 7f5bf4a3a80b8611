"""Synthetic data of any shape: one random prototype per class, plus noise."""

from __future__ import annotations

from typing import Any

import torch

from fastrun.components.data.stratified_split import stratified_split
from fastrun.config.constraints import BelowOne, Count, Natural, NotNegative
from fastrun.errors import ConfigError


def synthetic(
    samples: Count = 4096,
    shape: tuple[Count, ...] = (3, 32, 32),
    classes: Count = 10,
    noise: NotNegative = 1.0,
    val_fraction: BelowOne = 0.125,
    test_fraction: BelowOne = 0.125,
    split_seed: Natural = 0,
) -> dict[str, Any]:
    """Return uint8 samples ``[n, *shape]`` and their labels, with the same number of samples in each class.

    Args:
        samples: the number of samples.
        shape: the shape of a sample.
        classes: the number of classes.
        noise: the standard deviation of the noise relative to that of the prototypes: 0 is trivial, 10 is hard.
        val_fraction: the part of the samples to validate on.
        test_fraction: the part of the samples to test on.
        split_seed: the seed of the samples and of the split.

    Raises:
        ConfigError: the shape is empty, or the fractions leave nothing to train on.
    """
    if not shape:
        raise ConfigError("data.shape=[] is empty", "use for example data.shape=[3,32,32]")
    random = torch.Generator().manual_seed(split_seed)
    prototypes = torch.randn(classes, *shape, generator=random)
    y = torch.arange(samples) % classes
    x = prototypes[y] + noise * torch.randn(samples, *shape, generator=random)
    x = (x * 32 / max(1.0, noise) + 128).clamp(0, 255).to(torch.uint8)
    splits = stratified_split(x, y, {"val": val_fraction, "test": test_fraction}, split_seed)
    return splits | {"classes": [str(label) for label in range(classes)]}
