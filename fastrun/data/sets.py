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
        DataError: a part is missing, empty or no data set, its samples are no pairs, of a shape not train's, or NaN;
            there is only one class, one that train lacks or one without a name; or the targets are numbers that are
            all the same.
    """
    if not isinstance(parts, Mapping) or not {"train", "val"} <= parts.keys():
        raise DataError("the data factory must return {'train': …, 'val': …}, perhaps with 'test'")
    for name, part in parts.items():
        if name in ("train", "val", "test") and part is not None:
            _check_part(name, part)
    train, classes = parts["train"], parts.get("classes")
    x, y = _pair("train", train)
    for name in ("val", "test"):
        if parts.get(name) is not None and (shape := _pair(name, parts[name])[0].shape) != x.shape:
            raise DataError(f"the {name} set has samples of shape {list(shape)}, train of {list(x.shape)}")
    task = _numbers(train) if y.is_floating_point() else _classes(train, classes, y.ndim)
    if task.name == "classification":
        for name in ("val", "test"):
            _check_classes(parts.get(name), name, task.outputs)
    if task.name == "regression" and size_of(parts["val"]) < 2:
        raise DataError("the val set has a single sample; R² needs two", "a larger data.val_fraction")
    about = dict(parts.get("about", {}))
    return Sets(train, parts["val"], parts.get("test"), tuple(x.shape), task, classes and list(classes), about)


def _check_part(name: str, part: Any) -> None:
    if not hasattr(part, "__len__") or not hasattr(part, "__getitem__"):
        raise DataError(
            f"the {name} set is of type {type(part).__name__}", "it must have a length and samples: a torch Dataset"
        )
    if len(part) == 0:
        raise DataError(f"the {name} set is empty", "check data.root and the fractions of the split")
    x = part.tensors[0] if isinstance(part, TensorDataset) else None
    if x is not None and x.is_floating_point() and not x.sum().isfinite() and not x.isfinite().all():
        raise DataError(f"the {name} set's inputs hold NaN or infinite numbers", "leave those samples out")


def _pair(name: str, part: Any) -> tuple[Tensor, Tensor]:
    """Return a set's first sample."""
    try:
        x, y = (torch.as_tensor(value) for value in part[0])
    except (TypeError, ValueError, RuntimeError) as error:
        raise DataError(
            f"the {name} set's samples are not pairs of tensors or numbers: {error}", "(input, target) each"
        ) from error
    return x, y


def _classes(train: Samples, classes: list[str] | None, ndim: int) -> Task:
    whole = labels(train) if classes is None or ndim == 0 else None
    if whole is not None and whole.min() < 0:
        raise DataError(f"train has the label {int(whole.min())}", "labels count from 0")
    count = int(whole.max()) + 1 if whole is not None else 0
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
        lowest, highest = map(int, labels(samples).aminmax())
        if lowest < 0:
            raise DataError(f"the {name} set has the label {lowest}", "labels count from 0")
        if highest >= num_classes:
            raise DataError(f"the {name} set has the label {highest}; train has 0 to {num_classes - 1} only")


def labels(samples: Samples) -> Tensor:
    """Return the labels of all samples: the second tensor, else ``targets`` as torchvision has it, else one by one."""
    if isinstance(samples, TensorDataset):
        return samples.tensors[1]
    targets = getattr(samples, "targets", None)
    return torch.as_tensor(targets if targets is not None else [samples[i][1] for i in range(size_of(samples))])
