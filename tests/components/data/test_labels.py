"""Labels of any whole type are classes, and are read from where they are stored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import Dataset, Subset, TensorDataset

import fastrun
from fastrun.components.data.labels import labels
from fastrun.components.data.splits import check_splits
from fastrun.errors import ConfigError


class Reads(Dataset[Any]):
    """Samples that count how often they are read."""

    def __init__(self) -> None:
        self.read = 0

    def __len__(self) -> int:
        return 60

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        self.read += 1
        return torch.full((2,), float(index)), index % 3


class Stores(Reads):
    """The same with the labels at hand."""

    def __init__(self) -> None:
        super().__init__()
        self.targets = [index % 3 for index in range(60)]


def test_a_subset_takes_the_labels_of_what_it_is_taken_from() -> None:
    samples = Stores()
    inner = Subset(samples, range(0, 60, 2))
    assert labels(Subset(inner, [0, 1, 5])).tolist() == [0, 2, 1]
    assert samples.read == 0
    tensors = TensorDataset(torch.zeros(6, 1), torch.arange(6))
    assert labels(Subset(tensors, torch.tensor([5, 3]))).tolist() == [5, 3]


def test_a_run_reads_no_sample_for_labels_that_are_stored() -> None:
    samples = Stores()
    splits = check_splits({"train": Subset(samples, range(50)), "val": Subset(samples, range(50, 60))})
    assert splits.num_classes == 3
    assert samples.read <= 4  # one of each part, for its shape


def test_labels_that_are_not_stored_are_read_once() -> None:
    samples = Reads()
    check_splits({"train": Subset(samples, range(50)), "val": Subset(samples, range(50, 60))})
    assert samples.read <= 50 + 4


def test_labels_that_a_transform_changes_are_read() -> None:
    samples = Stores()
    samples.target_transform = lambda label: label  # type: ignore[attr-defined]
    labels(samples)
    assert samples.read == 60


@pytest.mark.parametrize("dtype", [torch.int32, torch.int16, torch.int8, torch.uint8, torch.uint16, torch.bool])
def test_labels_of_every_whole_type_are_classes(dtype: torch.dtype) -> None:
    y = (torch.arange(8) % 2).to(dtype)
    samples = TensorDataset(torch.rand(8, 2), y)
    assert labels(samples).dtype == torch.int64
    task = check_splits({"train": samples, "val": samples}).task
    assert (task.name, task.outputs) == ("classification", 2)


OWN = """
import torch
from torch import nn
from torch.utils.data import TensorDataset

def sets(dtype):
    x = torch.rand(64, 1, 4, 4)
    y = (torch.arange(64) % 2).to(getattr(torch, dtype))
    tensors = TensorDataset(x, y)
    return {"train": tensors, "val": [tensors[i] for i in range(64)]}

class Waves(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(16, num_classes, dtype=torch.cfloat))

    def forward(self, x):
        return (x.flatten(1).to(torch.cfloat) @ self.weight).abs()
"""


def write_own(folder: Path, group: str, text: str) -> None:
    (folder / "own_labels.py").write_text(OWN)
    (folder / "conf" / group).mkdir(parents=True)
    (folder / f"conf/{group}/own.yaml").write_text(f"# Mine\n{text}\n")


QUICK = ["model=mlp", "model.hidden=[8]", "steps=1", "batch.size=8"]


@pytest.mark.sampled
@pytest.mark.parametrize("more", [["loss=mse"], ["pipeline=workers", "loss=bce"], ["pipeline=plain", "augment=mixup"]])
@pytest.mark.parametrize("dtype", ["int32", "bool"])
def test_labels_of_any_whole_type_train(folder: Path, more: list[str], dtype: str) -> None:
    write_own(folder, "data", f"_target_: own_labels.sets\ndtype: {dtype}")
    assert fastrun.train(["data=own", *QUICK, *more], quiet=True).summary["steps"] == 1


@pytest.mark.slow
def test_labels_of_any_whole_type_are_used_to_find_a_batch_size(folder: Path) -> None:
    write_own(folder, "data", "_target_: own_labels.sets\ndtype: int16")
    own = [*QUICK[:3], "batch=auto"]
    assert fastrun.train(["data=own", *own], quiet=True).summary["steps"] == 1


def test_weights_of_complex_numbers_are_refused(folder: Path) -> None:
    write_own(folder, "model", "_target_: own_labels.Waves")
    with pytest.raises(ConfigError, match="weight holds complex numbers") as caught:
        fastrun.train(["data=synthetic", "data.shape=[16]", "model=own", "steps=1"], quiet=True)
    assert "view_as_complex" in str(caught.value.hint)
