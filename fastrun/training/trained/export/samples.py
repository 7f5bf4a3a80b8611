"""The samples on which an exported model is compared: of the run's validation set, or random where that is gone."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from fastrun.components.data.learned import DataState
from fastrun.components.data.splits import size_of
from fastrun.components.pipeline.reading import read_inputs
from fastrun.errors import FastrunError
from fastrun.training.builders.data import load_splits
from fastrun.training.trained.model import TrainedNetwork

MOST = 200


@dataclass(frozen=True)
class Samples:
    """Some samples.

    Attributes:
        inputs: ``[samples, …]``, as the run's data holds them.
        origin: where they are from, in words.
    """

    inputs: Tensor
    origin: str


def find_samples(trained: TrainedNetwork) -> Samples:
    """Return samples that are spread evenly over the validation set; random ones where the data cannot be loaded.

    An export needs no data, so a run whose data has moved or changed can still be exported.
    """
    learned = trained.learned
    try:
        val = load_splits(trained.settings, learned).val
        count = size_of(val)
        inputs = read_inputs(val, range(0, count, max(1, count // MOST)))[:MOST]
    except FastrunError as error:
        return Samples(_random(learned), f"random samples, since the run's data cannot be used: {error.message}")
    return Samples(inputs, f"samples of the validation set ({count:,} in all)")


def _random(learned: DataState) -> Tensor:
    """Return samples of the kind that the network takes, the same in every call."""
    random = torch.Generator().manual_seed(0)
    shape, dtype = (MOST, *learned.in_shape), getattr(torch, learned.dtype)
    if dtype.is_floating_point:
        return torch.randn(shape, generator=random).to(dtype)
    if learned.task.name == "language":
        highest = learned.task.outputs - 1
    else:  # whole numbers that are no pixels may be indices of anything
        highest = int(learned.encoding.get("white", 255)) if dtype == torch.uint8 else 1
    return torch.randint(highest + 1, shape, generator=random).to(dtype)
