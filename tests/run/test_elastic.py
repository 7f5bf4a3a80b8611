"""A run that goes on with another number of processes: its batches stay the same, or it is refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from fastrun.components.data.splits import Splits, check_splits
from fastrun.config.settings import BatchConfig, DeviceConfig, Settings
from fastrun.errors import ConfigError
from fastrun.run.elastic import describe, keep_batches


def settings(processes: int, drop_last: bool, nodes: int = 1) -> Settings:
    batch = BatchConfig(size=8, accumulate=2, drop_last=drop_last)
    return Settings(batch=batch, device=DeviceConfig(count=processes, nodes=nodes))


def data(samples: int) -> Splits:
    sets = TensorDataset(torch.zeros(samples, 3), torch.zeros(samples, dtype=torch.long))
    return check_splits({"train": sets, "val": sets})


@pytest.mark.parametrize(
    ("before", "now", "samples", "drop_last", "dropped"),
    [(2, 1, 20, False, True), (1, 2, 16, False, False), (1, 1, 20, False, False), (2, 4, 20, True, True)],
    ids=["to one", "to several, batches of one size", "as many", "smaller batches are left out"],
)
def test_the_batches_of_an_epoch_stay_the_same(before, now, samples, drop_last, dropped) -> None:
    assert keep_batches(settings(now, drop_last), data(samples), before).batch.drop_last is dropped


def test_several_processes_cannot_share_a_smaller_batch() -> None:
    with pytest.raises(ConfigError, match=r"2 processes cannot go on with batch.drop_last=false"):
        keep_batches(settings(2, drop_last=False), data(20), 1)


def test_what_differs_is_said() -> None:
    said = describe(1, settings(2, drop_last=True, nodes=2), nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)))
    assert said.startswith("the run had one process and goes on with 4: the same batches in the same order, but ")
    assert "batch norm, which takes 1 samples together instead of 4" in said
    assert "batch norm" not in describe(4, settings(1, drop_last=True), nn.Linear(3, 3))
