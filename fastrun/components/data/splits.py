"""Checks the splits that a data factory returned, and derives from them what the rest of a run needs to know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass, field, replace
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, TensorDataset

from fastrun.components.data.class_names import unknown_classes
from fastrun.components.data.fingerprint import samples_fingerprint
from fastrun.components.data.labels import as_labels, labels, stored_labels
from fastrun.components.data.learned import DataState
from fastrun.components.task import OWN_TASK, Task
from fastrun.errors import DataError

Samples = Dataset[tuple[Tensor, Any]]

_PAIR = "each sample must be (input, target), as tensors, arrays or numbers, unless the model is a LightningModule"
_TARGETS = "a target may be a class, floating-point numbers [n], or a token for each position of an input [length]"


@dataclass(frozen=True)
class Splits:
    """The splits of a data set.

    Attributes:
        train: the samples to train on.
        val: the samples to validate on.
        test: the samples to test on, if there are any.
        in_shape: the shape of a sample, without the batch.
        task: the task that is learned from the targets.
        classes: the names of the labels or tokens, if they are known.
        about: what else the run directory should record about the data.
        encoding: how the factory made the samples; see :class:`fastrun.components.data.learned.DataState`.
        split: the samples of each split except ``train``, if the factory says which.
        fingerprint: which data it is; see :mod:`fastrun.components.data.fingerprint`.
        is_paired: whether samples are pairs of an input and a target.
        refusal: why only a network with a loss of its own can learn this data; None if any can.
    """

    train: Samples
    val: Samples
    test: Samples | None
    in_shape: tuple[int, ...]
    task: Task
    classes: list[str] | None = None
    about: dict[str, Any] = field(default_factory=dict)
    encoding: dict[str, Any] = field(default_factory=dict)
    split: dict[str, Tensor] = field(default_factory=dict)
    fingerprint: dict[str, Any] = field(default_factory=dict)
    is_paired: bool = True
    refusal: DataError | None = None

    @property
    def num_classes(self) -> int:
        """Return the number of outputs that a network needs: classes, different tokens, or numbers."""
        return self.task.outputs

    def describe(self) -> dict[str, Any]:
        """Return what a run directory records about its data, as plain values."""
        splits = {"train": self.train, "val": self.val, "test": self.test}
        return {
            "task": self.task.name,
            "in_shape": list(self.in_shape),
            "samples": {name: size_of(samples) for name, samples in splits.items() if samples is not None},
            "classes": self.classes,
            "fingerprint": self.fingerprint,
            **self.about,
        }


def size_of(samples: Samples) -> int:
    """Return the number of samples."""
    return len(cast(Sized, samples))


def check_splits(data: Mapping[str, Any]) -> Splits:
    """Check what a data factory returned, and derive the task from the targets.

    Args:
        data: ``train`` and ``val``; perhaps ``test``, ``classes`` (the names of the labels) and ``about`` (what else to
            record about the data). A factory that takes an argument ``learned`` also returns ``encoding`` and
            ``split``, which a later call gets back in it, and ``fingerprint``.

    Raises:
        DataError: a split is missing, empty or not a data set; or its samples have another shape than those of
            ``train``, or are not finite.
    """
    if not isinstance(data, Mapping) or not {"train", "val"} <= data.keys():
        raise DataError("the data factory must return {'train': …, 'val': …}, and may add 'test'")
    splits = {"train": data["train"], "val": data["val"]}
    if data.get("test") is not None:
        splits["test"] = data["test"]
    for name, samples in splits.items():
        _check_samples(name, samples)
    is_paired, refusal = True, cast(DataError | None, None)
    try:
        x, y = _first_sample("train", data["train"])
        for name, samples in splits.items():
            _check_shape(name, samples, x.shape)
    except _NotPaired as error:
        is_paired, refusal, x = False, error, torch.empty(())
    classes, task = data.get("classes"), OWN_TASK
    try:
        if is_paired:
            task = _task_of(x, y, splits, classes)
    except DataError as error:
        refusal = error
    return Splits(
        train=data["train"],
        val=data["val"],
        test=data.get("test"),
        in_shape=tuple(x.shape),
        task=task,
        classes=classes and list(classes),
        about=dict(data.get("about", {})),
        encoding=dict(data.get("encoding", {})),
        split={name: indices.to(_smallest_type(indices)) for name, indices in data.get("split", {}).items()},
        fingerprint=data.get("fingerprint") or samples_fingerprint(splits),
        is_paired=is_paired,
        refusal=refusal,
    )


def _task_of(x: Tensor, y: Tensor, splits: Mapping[str, Any], classes: list[str] | None) -> Task:
    """Return the task that follows from the targets.

    Raises:
        DataError: there is only one class, a class that ``train`` does not have or one without a name; or the targets
            are numbers that are all the same, or of a kind that no built-in task has.
    """
    _check_target(x, y)
    train = splits["train"]
    task = _regression(train) if y.is_floating_point() else _classes(train, classes, y.ndim)
    _check_targets(task, splits)
    return task


class _NotPaired(DataError):
    """Samples are not pairs of an input and a target."""


def check_learned(splits: Splits, learned: DataState) -> Splits:
    """Check that a run can go on with data, and return the data with what the run learned from its own.

    Raises:
        DataError: the samples have another shape or type, or there are other classes.
    """
    check_new("train", splits.train, splits.classes, learned)  # the others fit train as they did in the run
    return replace(splits, task=learned.task, classes=learned.classes)


def check_new(name: str, samples: Any, classes: Sequence[str] | None, learned: DataState) -> None:
    """Check that the network of a run can be measured on samples.

    Args:
        name: the split, for messages.
        samples: the samples.
        classes: the names of their classes, if they are known.
        learned: what the run learned from its data.

    Raises:
        DataError: the samples have another shape or type, or there are other classes.
    """
    _check_samples(name, samples)
    if not learned.is_paired:
        return
    x, y = _first_sample(name, samples)
    shape, dtype = list(x.shape), str(x.dtype).removeprefix("torch.")
    if (tuple(shape), dtype) != (learned.in_shape, learned.dtype):
        own = f"{learned.dtype} samples of shape {list(learned.in_shape)}"
        raise DataError(f"the {name} set has {dtype} samples of shape {shape}; the run was trained on {own}")
    if learned.task.name == "regression" and not y.is_floating_point():
        raise DataError(f"the {name} set has labels; the run was trained on numbers")
    if learned.task.name == "classification":
        if y.is_floating_point():
            raise DataError(f"the {name} set has numbers as targets; the run was trained on labels")
        if classes is not None and learned.classes is not None and list(classes) != learned.classes:
            unknown = [str(one) for one in classes if one not in learned.classes]
            raise unknown_classes(f"the {name} set", unknown or [str(one) for one in classes], learned.classes)
        _check_labels(name, samples, learned.task.outputs)


def _smallest_type(indices: Tensor) -> torch.dtype:
    """Return the type that holds the indices of a split in the fewest bytes."""
    if indices.dtype != torch.int64 or not len(indices) or int(indices.abs().max()) >= 1 << 31:
        return indices.dtype
    return torch.int32


def _check_samples(name: str, samples: Any) -> None:
    """Check that a split is a data set with samples, and that its inputs are finite if they are in a tensor."""
    if not hasattr(samples, "__len__") or not hasattr(samples, "__getitem__"):
        raise DataError(
            f"the {name} set is of type {type(samples).__name__}", "it must have a length and samples: a torch Dataset"
        )
    if len(samples) == 0:
        raise DataError(f"the {name} set is empty", "check data.root and the fractions of the split")
    if isinstance(samples, TensorDataset) and not _is_finite(samples.tensors[0]):
        raise DataError(f"the {name} set's inputs hold NaN or infinite numbers", "leave those samples out")


def _is_finite(x: Tensor) -> bool:
    if not x.is_floating_point():
        return True
    return bool(x.sum().isfinite()) or bool(x.isfinite().all())  # the sum is faster, but may overflow


def _first_sample(name: str, samples: Any) -> tuple[Tensor, Tensor]:
    sample = samples[0]
    if isinstance(sample, (Tensor, np.ndarray)):
        raise _NotPaired(f"the {name} set's samples are single tensors of shape {list(sample.shape)}", _PAIR)
    if isinstance(sample, Mapping):
        keys = ", ".join(map(str, sample))
        raise _NotPaired(f"the {name} set's samples are dicts with the keys {keys}", _PAIR)
    try:
        x, y = (torch.as_tensor(value) for value in sample)
    except (TypeError, ValueError, RuntimeError) as error:
        raise _NotPaired(f"the {name} set's samples are not pairs of tensors or numbers: {error}", _PAIR) from error
    return x, y


def _check_target(x: Tensor, y: Tensor) -> None:
    """Check that the target of a sample is of a kind that can be learned.

    Raises:
        DataError: it is not; the message says what it is, and the hint what it may be.
    """
    shape = list(y.shape)
    if y.is_complex():
        raise DataError("complex targets are not supported", _TARGETS)
    if y.is_floating_point() and y.ndim > 1:
        raise DataError(f"numbers of shape {shape} as the target of a sample are not supported", _TARGETS)
    if not y.is_floating_point() and y.ndim and (y.ndim > 1 or y.shape != x.shape):
        raise DataError(
            f"whole numbers of shape {shape} as the target of an input of shape {list(x.shape)} are not supported",
            _TARGETS,
        )


def _check_shape(name: str, samples: Any, expected: torch.Size) -> None:
    shape = _first_sample(name, samples)[0].shape
    if shape != expected:
        raise DataError(f"the {name} set has samples of shape {list(shape)}, but train of {list(expected)}")


def _regression(train: Samples) -> Task:
    """Return the task of targets that are numbers."""
    y = labels(train).double()
    y = y.unsqueeze(1) if y.ndim == 1 else y
    if not y.isfinite().all():
        raise DataError("the training targets hold NaN or infinite numbers", "leave those samples out")
    std = y.std(0)
    if not (std > 0).all():
        raise DataError("the training targets are all the same", "there is nothing to learn")
    return Task("regression", y.shape[1], tuple(y.mean(0).tolist()), tuple(std.tolist()))


def _classes(train: Samples, classes: list[str] | None, ndim: int) -> Task:
    """Return the task of targets that are whole numbers: a label if ``ndim`` is 0, otherwise a sequence of tokens."""
    count = _count_labels(train) if classes is None or ndim == 0 else 0
    if classes is not None:
        if count > len(classes):
            raise DataError(f"train has the label {count - 1}, but {len(classes)} classes have names")
        count = len(classes)
    if count < 2:
        raise DataError("the data has one class only", "there is nothing to distinguish")
    return Task("language" if ndim else "classification", count)


def _count_labels(train: Samples) -> int:
    lowest, highest = map(int, labels(train).aminmax())
    if lowest < 0:
        raise DataError(f"train has the label {lowest}", "labels count from 0")
    return highest + 1


def _check_targets(task: Task, splits: Mapping[str, Any]) -> None:
    """Check that the other splits' targets can be compared with what a network learns from those of ``train``."""
    if task.name == "classification":
        for name in ("val", "test"):
            if name in splits:
                _check_labels(name, splits[name], task.outputs)
    if task.name == "regression" and size_of(splits["val"]) < 2:
        raise DataError("the val set has a single sample, but R² needs two", "increase data.val_fraction")


def _check_labels(name: str, samples: Any, num_classes: int) -> None:
    y = stored_labels(samples)
    if y is None:
        return  # all samples would have to be read
    lowest, highest = map(int, as_labels(y).aminmax())
    if lowest < 0:
        raise DataError(f"the {name} set has the label {lowest}", "labels count from 0")
    if highest >= num_classes:
        raise DataError(f"the {name} set has the label {highest}, but train only has 0 to {num_classes - 1}")
