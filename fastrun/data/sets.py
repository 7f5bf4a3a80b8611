"""What a data factory returned, checked, with what the rest of a run needs to know of it."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from dataclasses import dataclass, field
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.data import Dataset, TensorDataset

from fastrun.errors import DataError
from fastrun.task import Task

Samples = Dataset[tuple[Tensor, Any]]


@dataclass(frozen=True)
class Sets:
    """The parts of a data set.

    Attributes:
        in_shape: a sample's shape, without the batch.
        task: what is to be learned from it.
        classes: the names of labels or tokens, where they are known.
        about: what else the run directory should say of it.
    """

    train: Samples
    val: Samples
    test: Samples | None
    in_shape: tuple[int, ...]
    task: Task
    classes: list[str] | None = None
    about: dict[str, Any] = field(default_factory=dict)

    @property
    def num_classes(self) -> int:
        """Return how many outputs a network needs: classes, different tokens, or numbers."""
        return self.task.outputs

    def told(self) -> dict[str, Any]:
        """Return what a run directory says of its data: plain values only."""
        parts = {"train": self.train, "val": self.val, "test": self.test}
        return {
            "task": self.task.name,
            "in_shape": list(self.in_shape),
            "samples": {name: size_of(part) for name, part in parts.items() if part is not None},
            "classes": self.classes,
            **self.about,
        }


def size_of(samples: Samples) -> int:
    """Return the number of samples."""
    return len(cast(Sized, samples))


def checked(parts: Mapping[str, Any]) -> Sets:
    """Check that there is something to train on and to validate with, and read the task off the targets.

    Raises:
        DataError: a part is missing or empty, there is only one class, one that train lacks or one without a name, or
            the targets are numbers that are all the same.
    """
    if not isinstance(parts, Mapping) or not {"train", "val"} <= parts.keys():
        raise DataError("the data factory must return {'train': …, 'val': …}, perhaps with 'test'")
    for name, part in parts.items():
        if name in ("train", "val", "test") and size_of(part) == 0:
            raise DataError(f"the {name} set is empty", "check data.root and the fractions of the split")
    train, classes = parts["train"], parts.get("classes")
    x, y = (torch.as_tensor(value) for value in train[0])
    task = _numbers(train) if y.is_floating_point() else _classes(train, classes, y.ndim)
    if task.name == "classification":
        for name in ("val", "test"):
            _check_classes(parts.get(name), name, task.outputs)
    if task.name == "regression" and size_of(parts["val"]) < 2:
        raise DataError("the val set has a single sample; R² needs two", "a larger data.val_fraction")
    about = dict(parts.get("about", {}))
    return Sets(train, parts["val"], parts.get("test"), tuple(x.shape), task, classes and list(classes), about)


def _classes(train: Samples, classes: list[str] | None, ndim: int) -> Task:
    count = int(labels(train).max()) + 1 if classes is None or ndim == 0 else 0
    if classes is not None:
        if count > len(classes):
            raise DataError(f"train has the label {count - 1}, but {len(classes)} classes have names")
        count = len(classes)
    if count < 2:
        raise DataError("the data has one class only", "there is nothing to tell apart")
    return Task("language" if ndim else "classification", count)


def _numbers(train: Samples) -> Task:
    y = labels(train).double()
    y = y.unsqueeze(1) if y.ndim == 1 else y
    if not y.isfinite().all():
        raise DataError("the training targets hold NaN or infinite numbers", "leave those samples out")
    std = y.std(0)
    if not (std > 0).all():
        raise DataError("the training targets are all the same", "there is nothing to learn")
    return Task("regression", y.shape[1], tuple(y.mean(0).tolist()), tuple(std.tolist()))


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
