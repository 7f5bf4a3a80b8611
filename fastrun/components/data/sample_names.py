"""What the samples of a data set are called: the files that they are from, or the rows of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from torch import Tensor
from torch.utils.data import Subset, TensorDataset


class Names(Protocol):
    """The name of each sample, by its index."""

    def __getitem__(self, index: int, /) -> str: ...


@dataclass(frozen=True)
class RowNames:
    """Names of rows as ``fastrun predict`` has them: ``houses.csv:1`` is the first row below the header.

    Attributes:
        path: the table.
        rows: the rows in the table, from 0 on.
    """

    path: str
    rows: Sequence[int]

    def __getitem__(self, index: int, /) -> str:
        return f"{self.path}:{self.rows[index] + 1}"


class NamedSamples(TensorDataset):
    """A TensorDataset whose samples have names.

    Args:
        x: the inputs, ``[samples, …]``.
        y: the targets, ``[samples, …]``.
        names: the name of each sample.
    """

    def __init__(self, x: Tensor, y: Tensor, names: Names) -> None:
        super().__init__(x, y)
        self.sample_names = names


def sample_name(samples: Any, index: int) -> str | None:
    """Return the name of a sample; None where its data set has no ``sample_names``.

    The samples of a Subset are called as in the data set that it is taken from.
    """
    if isinstance(samples, Subset):
        return sample_name(samples.dataset, int(samples.indices[index]))
    names = getattr(samples, "sample_names", None)
    return None if names is None else str(names[index])
