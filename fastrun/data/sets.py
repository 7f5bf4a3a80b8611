"""What a data factory returned, checked, with what the rest of a run needs to know of it."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.data import Dataset, TensorDataset

from fastrun.errors import DataError

Samples = Dataset[tuple[Tensor, Any]]


@dataclass(frozen=True)
class Sets:
    """The parts of a data set; ``in_shape`` is a sample's, without the batch."""

    train: Samples
    val: Samples
    test: Samples | None
    in_shape: tuple[int, ...]
    num_classes: int


def size_of(samples: Samples) -> int:
    """Return the number of samples."""
    return len(cast(Sized, samples))


def checked(parts: Mapping[str, Any]) -> Sets:
    """Check that there is something to train on and to validate with.

    Raises:
        DataError: a part is missing or empty, there is only one class, or one that train lacks.
    """
    if not isinstance(parts, Mapping) or not {"train", "val"} <= parts.keys():
        raise DataError("the data factory must return {'train': …, 'val': …}, perhaps with 'test'")
    for name, part in parts.items():
        if name in ("train", "val", "test") and size_of(part) == 0:
            raise DataError(f"the {name} set is empty", "check data.root and the fractions of the split")
    train = parts["train"]
    x, _ = train[0]
    num_classes = int(labels(train).max()) + 1
    if num_classes < 2:
        raise DataError("the data has one class only", "there is nothing to tell apart")
    for name in ("val", "test"):
        _check_classes(parts.get(name), name, num_classes)
    return Sets(train, parts["val"], parts.get("test"), tuple(torch.as_tensor(x).shape), num_classes)


def _check_classes(samples: Any, name: str, num_classes: int) -> None:
    if isinstance(samples, TensorDataset) or hasattr(samples, "targets"):  # others would have to be read whole for it
        highest = int(labels(samples).max())
        if highest >= num_classes:
            raise DataError(f"the {name} set has the label {highest}; train has 0 to {num_classes - 1} only")


def labels(samples: Samples) -> Tensor:
    """Return the labels of all samples: the second tensor, else ``targets`` as torchvision has it, else one by one."""
    if isinstance(samples, TensorDataset):
        return samples.tensors[1]
    targets = getattr(samples, "targets", None)
    return torch.as_tensor(targets if targets is not None else [samples[i][1] for i in range(size_of(samples))])
