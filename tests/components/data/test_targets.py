"""The task follows from the form of the targets, of all samples and not of the first alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.utils.data import TensorDataset

from fastrun.components.data.splits import check_splits
from fastrun.components.task import Task
from fastrun.errors import DataError

IMAGES = torch.rand(6, 3, 4, 5)
ROWS = torch.rand(6, 7)
LABELS = torch.tensor([[0, 1, 0], [1, 1, 0], [0, 0, 0], [1, 0, 1], [0, 1, 1], [1, 1, 1]])
MASKS = torch.arange(6 * 4 * 5).view(6, 4, 5) % 3


def both(x: Tensor, y: Tensor, *, stored: bool = True, **more: Any) -> dict[str, Any]:
    samples: Any = TensorDataset(x, y) if stored else list(zip(x, y, strict=True))
    return {"train": samples, "val": samples, **more}


def task_of(x: Tensor, y: Tensor, **more: Any) -> Task:
    return task_from(both(x, y, **more))


def task_from(data: dict[str, Any]) -> Task:
    splits = check_splits(data)
    if splits.refusal is not None:  # which a network without steps of its own raises
        raise splits.refusal
    return splits.task


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (ROWS, LABELS, Task("multilabel", 3)),
        (ROWS, LABELS.bool(), Task("multilabel", 3)),
        (IMAGES, LABELS.to(torch.uint8), Task("multilabel", 3)),
        (ROWS[:, :3], LABELS.bool(), Task("multilabel", 3)),
        (ROWS[:, :3], LABELS, Task("language", 2)),
        (ROWS, LABELS.float(), Task("regression", 3, (0.5, 2 / 3, 0.5), (0.5477225575,) * 3)),
        (IMAGES, MASKS, Task("segmentation", 3, ignore_index=-100)),
        (IMAGES, MASKS.to(torch.uint8), Task("segmentation", 3, ignore_index=255)),
        (IMAGES, MASKS > 0, Task("segmentation", 2, ignore_index=-100)),
        (IMAGES, torch.arange(48.0).view(6, 1, 2, 4), Task("image_to_image", 1, (), (), None, (1, 2, 4), 47.0)),
    ],
)
def test_the_form_of_the_targets_says_what_is_learned(x: Tensor, y: Tensor, expected: Task, stored: bool) -> None:
    found = task_of(x, y, stored=stored)
    if expected.name == "regression":
        assert found.mean == pytest.approx(expected.mean)
        assert (found.name, found.outputs) == ("regression", 3)
    else:
        assert found == expected


def test_pixels_that_belong_to_no_class_are_none_of_the_classes() -> None:
    masks = MASKS.to(torch.uint8).clone()
    masks[:, 0] = 255
    assert task_of(IMAGES, masks).outputs == 3
    assert task_of(IMAGES, masks, classes=["a", "b", "c", "d"]) == Task("segmentation", 4, ignore_index=255)
    assert task_of(IMAGES, MASKS, ignore_index=2) == Task("segmentation", 2, ignore_index=2)


@pytest.mark.parametrize(
    ("x", "y", "more", "message"),
    [
        (ROWS, LABELS + LABELS[:, :1], {}, "whole numbers of shape [3] as the target of an input of shape [7]"),
        (ROWS, LABELS * 0, {}, "all the same"),
        (ROWS, LABELS, {"classes": ["a", "b"]}, "3 labels, but 2 classes have names"),
        (IMAGES, MASKS[:, :2], {}, "whole numbers of shape [2, 5] as the target of an input of shape [3, 4, 5]"),
        (IMAGES, MASKS - 1, {}, "train has the label -1"),
        (IMAGES, MASKS * 0, {}, "one class only"),
        (IMAGES, MASKS, {"classes": ["a", "b"]}, "train has the label 2, but 2 classes have names"),
        (IMAGES, MASKS * 0 - 100, {}, "every pixel of the masks is -100"),
        (IMAGES, MASKS[:, 0, 0], {"ignore_index": 2}, "ignore_index=2 is for masks"),
        (IMAGES, MASKS.float(), {}, "numbers of shape [4, 5] as the target of a sample are not supported"),
        (IMAGES, IMAGES / 0, {}, "NaN or infinite"),
        (IMAGES, IMAGES * 0, {}, "all the same"),
    ],
)
def test_targets_of_another_form_are_refused(x: Tensor, y: Tensor, more: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        task_of(x, y, **more)
    assert message in caught.value.message


@pytest.mark.parametrize(
    ("x", "y", "other", "message"),
    [
        (ROWS, LABELS, LABELS * 2, "the val set has the label 2, but train only has 0 to 1"),
        (ROWS, LABELS, LABELS[:, :2], "the val set has targets of shape [2]; the training data has [3]"),
        (IMAGES, MASKS, MASKS + 1, "the val set has the label 3, but train only has 0 to 2"),
        (IMAGES, MASKS, IMAGES, "the val set has floating-point numbers as targets"),
        (IMAGES, IMAGES, IMAGES[:, :1], "the val set has targets of shape [1, 4, 5]; the training data has [3, 4, 5]"),
        (IMAGES, IMAGES, MASKS, "the val set has whole numbers as targets"),
    ],
)
def test_a_validation_set_has_targets_of_the_form_of_the_training_set(
    x: Tensor, y: Tensor, other: Tensor, message: str
) -> None:
    with pytest.raises(DataError) as caught:
        task_from({"train": TensorDataset(x, y), "val": TensorDataset(x, other)})
    assert message in caught.value.message
