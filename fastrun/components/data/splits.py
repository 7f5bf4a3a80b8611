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
from fastrun.components.data.learned import DataState
from fastrun.components.data.targets import check_form, check_targets, check_values, derive_task
from fastrun.components.task import OWN_TASK, Task
from fastrun.errors import DataError

Samples = Dataset[tuple[Tensor, Any]]

_PAIR = "each sample must be (input, target), as tensors, arrays or numbers, unless the model is a LightningModule"


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

    def in_words(self) -> str:
        """Return the data in a line: how many samples each split has, their shape, and what is learned."""
        splits = {"train": self.train, "val": self.val, "test": self.test}
        sizes = ", ".join(f"{size_of(one):,} {name}" for name, one in splits.items() if one is not None)
        shape = f" samples of shape {list(self.in_shape)}" if self.is_paired else " samples"
        learned = {"classification": "classes", "multilabel": "labels", "language": "tokens", "segmentation": "classes"}
        count = f", {self.num_classes} {learned[self.task.name]}" if self.task.name in learned else ""
        return f"{sizes}{shape}{count}"


def size_of(samples: Samples) -> int:
    """Return the number of samples."""
    return len(cast(Sized, samples))


def check_splits(data: Mapping[str, Any]) -> Splits:
    """Check what a data factory returned, and derive the task from the targets.

    Args:
        data: ``train`` and ``val``; perhaps ``test``, ``classes`` (the names of the labels), ``ignore_index`` (the
            value of a mask's pixels that belong to no class; 255 for uint8 and -100 for others if it is left out) and
            ``about`` (what else to record about the data). A factory that takes an argument ``learned`` also returns
            ``encoding`` and ``split``, which a later call gets back in it, and ``fingerprint``. One whose targets are
            too many to be looked at says the ``task`` that follows from them.

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
    is_paired, refusal, firsts = True, cast(DataError | None, None), {}
    try:
        firsts = {name: _first_sample(name, samples) for name, samples in splits.items()}
        x = _same_shape(firsts)
    except _NotPaired as error:
        is_paired, refusal, x = False, error, torch.empty(())
    classes, task = data.get("classes"), OWN_TASK
    try:
        if is_paired:
            task = _known_task(data) or _task_of(firsts, splits, classes, data.get("ignore_index"))
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


def _same_shape(firsts: Mapping[str, tuple[Tensor, Tensor]]) -> Tensor:
    """Return the input of the first sample of ``train``, whose shape those of the other splits must have."""
    x = firsts["train"][0]
    for name, (own, _) in firsts.items():
        if own.shape != x.shape:
            raise DataError(f"the {name} set has samples of shape {list(own.shape)}, but train of {list(x.shape)}")
    return x


def _known_task(data: Mapping[str, Any]) -> Task | None:
    """Return the task that a factory says; None where the targets tell."""
    task = data.get("task")
    return task if isinstance(task, Task) else None


def _task_of(
    firsts: Mapping[str, tuple[Tensor, Tensor]],
    splits: Mapping[str, Any],
    classes: list[str] | None,
    ignore_index: int | None,
) -> Task:
    """Return the task that follows from the targets.

    Raises:
        DataError: there is only one class, a class that ``train`` does not have or one without a name; or the targets
            are all the same, or of a kind that no built-in task has.
    """
    task = derive_task(splits["train"], *firsts["train"], classes, ignore_index)
    for name, first in firsts.items():
        check_form(task, name, *first)
    check_targets(task, splits)
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
    check_form(learned.task, name, x, y)
    if learned.task.name != "language" and classes is not None and learned.classes not in (None, list(classes)):
        known = learned.classes or []
        unknown = [str(one) for one in classes if one not in known]
        raise unknown_classes(f"the {name} set", unknown or [str(one) for one in classes], known)
    check_values(learned.task, name, samples)


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
