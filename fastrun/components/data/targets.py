"""Derives the task of a run from the form of its targets, and checks other targets against it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from fastrun.components.data.labels import as_labels, labels, stored_labels, target_parts
from fastrun.components.task import Task
from fastrun.errors import DataError

_TARGETS = (
    "a target may be a class, floating-point numbers [n], 0 and 1 for several labels [n], a mask [height, width],"
    " an image of floating-point numbers [channels, height, width], or a token for each position of an input [length]"
)
_IGNORED = {torch.uint8: 255}  # the value of pixels without a class by the type of a mask, as in the usual data sets
_IGNORED_ELSE = -100  # the default of torch's cross-entropy
_DENSE_PART = 64  # masks or images that are read at a time


def derive_task(
    train: Dataset[Any], x: Tensor, y: Tensor, classes: Sequence[str] | None, ignore_index: int | None
) -> Task:
    """Return the task that a network learns from the targets of a training set.

    Args:
        train: the training set.
        x: the input of its first sample.
        y: the target of its first sample.
        classes: the names of the classes, labels or tokens, if they are known.
        ignore_index: the value of a mask's pixels that belong to no class; None for the usual one.

    Raises:
        DataError: there is nothing to learn from the targets, or they are of a kind that cannot be learned.
    """
    shape = list(y.shape)
    is_mask = not y.is_floating_point() and y.ndim == 2 and x.ndim == 3 and y.shape == x.shape[1:]
    if ignore_index is not None and not is_mask:
        raise DataError(f"ignore_index={ignore_index} is for masks, but the targets have shape {shape}")
    if y.is_complex():
        raise DataError("complex targets are not supported", _TARGETS)
    if is_mask:
        return _segmentation(train, y, classes, ignore_index)
    if y.is_floating_point():
        if y.ndim > 1 and not y.ndim == x.ndim == 3:
            raise DataError(f"numbers of shape {shape} as the target of a sample are not supported", _TARGETS)
        return _image_to_image(train, y) if y.ndim == 3 else _regression(train)
    if y.ndim == 0 or (y.shape == x.shape and y.ndim == 1 and y.dtype != torch.bool):
        return _classes(train, classes, y.ndim)
    if y.ndim == 1 and (values := labels(train)).min() >= 0 and values.max() <= 1:
        return _multilabel(values, classes)
    message = f"whole numbers of shape {shape} as the target of an input of shape {list(x.shape)} are not supported"
    raise DataError(message, _TARGETS)


def check_targets(task: Task, splits: Mapping[str, Any]) -> None:
    """Check that the other splits' targets can be compared with what a network learns from those of ``train``.

    Raises:
        DataError: they cannot.
    """
    for name in ("val", "test"):
        if name in splits:
            check_values(task, name, splits[name])
    if task.name == "regression" and len(splits["val"]) < 2:
        raise DataError("the val set has a single sample, but R² needs two", "increase data.val_fraction")


def check_form(task: Task, name: str, x: Tensor, y: Tensor) -> None:
    """Check that a target has the form of those of the training data.

    Args:
        task: the task of the training data.
        name: the split, for messages.
        x: an input.
        y: its target.

    Raises:
        DataError: it has another one.
    """
    is_float = y.is_floating_point()
    if task.name in ("regression", "image_to_image") and not is_float:
        raise DataError(f"the {name} set has whole numbers as targets; the training data has floating-point numbers")
    if task.name in ("classification", "multilabel", "segmentation") and is_float:
        raise DataError(f"the {name} set has floating-point numbers as targets; the training data has whole numbers")
    shapes: dict[str, tuple[int, ...]] = {
        "multilabel": (task.outputs,),
        "segmentation": tuple(x.shape[1:]),
        "image_to_image": task.target_shape,
    }
    expected = shapes.get(task.name, tuple(y.shape))
    if tuple(y.shape) != expected:
        raise DataError(f"the {name} set has targets of shape {list(y.shape)}; the training data has {list(expected)}")


def check_values(task: Task, name: str, samples: Dataset[Any]) -> None:
    """Check that the targets of a split have no label that the task does not have, as far as they are at hand.

    Raises:
        DataError: one has.
    """
    y = stored_labels(samples)
    if task.name not in ("classification", "multilabel", "segmentation") or y is None:
        return  # all samples would have to be read
    if task.name == "segmentation":
        lowest, highest = _mask_range(samples, task.ignore_index)
    else:
        lowest, highest = map(int, as_labels(y).aminmax())
    if lowest < 0:
        raise DataError(f"the {name} set has the label {lowest}", "labels count from 0")
    most = 1 if task.name == "multilabel" else task.outputs - 1
    if highest > most:
        raise DataError(f"the {name} set has the label {highest}, but train only has 0 to {most}")


def _classes(train: Dataset[Any], classes: Sequence[str] | None, ndim: int) -> Task:
    """Return the task of targets that are whole numbers: a label if ``ndim`` is 0, otherwise a sequence of tokens."""
    lowest, highest = map(int, labels(train).aminmax()) if classes is None or ndim == 0 else (0, 0)
    return Task("language" if ndim else "classification", _count(lowest, highest, classes))


def _count(lowest: int, highest: int, classes: Sequence[str] | None) -> int:
    """Return the number of classes, from the lowest and the highest label and perhaps the names of the classes."""
    if lowest < 0:
        raise DataError(f"train has the label {lowest}", "labels count from 0")
    if classes is not None and highest >= len(classes):
        raise DataError(f"train has the label {highest}, but {len(classes)} classes have names")
    count = highest + 1 if classes is None else len(classes)
    if count < 2:
        raise DataError("the data has one class only", "there is nothing to distinguish")
    return count


def _multilabel(y: Tensor, classes: Sequence[str] | None) -> Task:
    if y.min() == y.max():
        raise DataError("the training targets are all the same", "there is nothing to learn")
    if classes is not None and len(classes) != y.shape[1]:
        raise DataError(f"the targets have {y.shape[1]} labels, but {len(classes)} classes have names")
    return Task("multilabel", y.shape[1])


def _segmentation(train: Dataset[Any], y: Tensor, classes: Sequence[str] | None, ignore_index: int | None) -> Task:
    ignored = _IGNORED.get(y.dtype, _IGNORED_ELSE) if ignore_index is None else ignore_index
    is_known = classes is not None and stored_labels(train) is None  # then all samples would have to be read
    lowest, highest = (0, 0) if is_known else _mask_range(train, ignored)
    return Task("segmentation", _count(lowest, highest, classes), ignore_index=ignored)


def _mask_range(samples: Dataset[Any], ignored: int | None) -> tuple[int, int]:
    """Return the lowest and the highest label of masks, without the value of pixels that belong to no class."""
    known = (part[part != ignored] for part in target_parts(samples, _DENSE_PART))
    limits = [labels.aminmax() for labels in known if len(labels)]
    if not limits:
        raise DataError(f"every pixel of the masks is {ignored}, which belongs to no class")
    return min(int(low) for low, _ in limits), max(int(high) for _, high in limits)


def _regression(train: Dataset[Any]) -> Task:
    """Return the task of targets that are numbers."""
    y = labels(train).double()
    y = y.unsqueeze(1) if y.ndim == 1 else y
    if not y.isfinite().all():
        raise DataError("the training targets hold NaN or infinite numbers", "leave those samples out")
    std = y.std(0)
    if not (std > 0).all():
        raise DataError("the training targets are all the same", "there is nothing to learn")
    return Task("regression", y.shape[1], tuple(y.mean(0).tolist()), tuple(std.tolist()))


def _image_to_image(train: Dataset[Any], y: Tensor) -> Task:
    """Return the task of targets that are images."""
    limits = torch.tensor([part.aminmax() for part in target_parts(train, _DENSE_PART)])
    if not limits.isfinite().all():
        raise DataError("the training targets hold NaN or infinite numbers", "leave those samples out")
    data_range = float(limits.max() - limits.min())
    if not data_range:
        raise DataError("the training targets are all the same", "there is nothing to learn")
    return Task("image_to_image", len(y), target_shape=tuple(y.shape), data_range=data_range)
