"""A data set whose batches are made by a function of the user's, as torch's ``collate_fn``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.utils.data import Dataset, default_collate

Collate = Callable[[list[Any]], Any]


class Collated(Dataset[Any]):
    """A data set, and the function that makes a batch of a list of its samples.

    Args:
        samples: the data set.
        collate: the function.
    """

    def __init__(self, samples: Dataset[Any], collate: Collate) -> None:
        self.samples, self.collate = samples, collate

    def __len__(self) -> int:
        return len(self.samples)  # type: ignore[arg-type]

    def __getitem__(self, index: int) -> Any:
        return self.samples[index]


def collate_of(samples: Dataset[Any]) -> Collate:
    """Return the function that makes a batch of a list of samples of a data set."""
    collate: Collate = getattr(samples, "collate", default_collate)
    return collate
