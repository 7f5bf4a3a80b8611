"""The labels of a data set: where they are stored, and the type in which losses and metrics take them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset, Subset, TensorDataset

from fastrun.errors import DataError

_CHUNK = 4096  # targets in tensors of their own at a time, which take far more memory than numbers


def as_labels(y: Tensor) -> Tensor:
    """Return targets of whole numbers or booleans, of whatever size, as int64; numbers are not changed."""
    return y if y.is_floating_point() else y.long()


def labels(samples: Dataset[Any]) -> Tensor:
    """Return the targets of all samples, whole numbers as int64.

    Only where :func:`stored_labels` finds none, they are read sample by sample.

    Raises:
        DataError: they have different shapes.
    """
    stored = stored_labels(samples)
    return torch.cat(list(target_parts(samples, _CHUNK))) if stored is None else as_labels(stored)


def target_parts(samples: Dataset[Any], size: int) -> Iterator[Tensor]:
    """Yield the targets of all samples, whole numbers as int64, some samples at a time.

    Args:
        samples: the data set.
        size: the number of samples at a time.

    Raises:
        DataError: they have different shapes.
    """
    stored, count = stored_labels(samples), len(samples)  # type: ignore[arg-type]
    for start in range(0, count, size):
        indices = range(start, min(count, start + size))
        yield as_labels(_read(samples, indices) if stored is None else stored[indices.start : indices.stop])


def _read(samples: Dataset[Any], indices: range) -> Tensor:
    """Return the targets of some samples in one tensor."""
    targets = [torch.as_tensor(samples[index][1]) for index in indices]
    shapes = sorted({tuple(target.shape) for target in targets})
    if len(shapes) > 1:
        raise DataError(f"the targets have different shapes, such as {list(shapes[0])} and {list(shapes[1])}")
    return torch.stack(targets)


def stored_labels(samples: Dataset[Any]) -> Tensor | None:
    """Return the targets that a data set has at hand; None if its samples would have to be read.

    These are the second tensor of a TensorDataset, otherwise ``targets`` as in torchvision, unless a
    ``target_transform`` changes them. Those of a Subset are among those of the data set that it is taken from.
    """
    if isinstance(samples, TensorDataset):
        return samples.tensors[1]
    targets = getattr(samples, "targets", None)
    if targets is not None:
        return torch.as_tensor(targets) if getattr(samples, "target_transform", None) is None else None
    if isinstance(samples, Subset):
        inner = stored_labels(samples.dataset)
        return None if inner is None else inner[torch.as_tensor(samples.indices, dtype=torch.long)]
    return None
