"""device=auto takes all GPUs that can share a batch."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from fastrun.components.device import all_gpus
from fastrun.components.device.all_gpus import sharing, with_all_gpus
from fastrun.config.settings import BatchConfig, DeviceConfig, Settings


@pytest.mark.parametrize(
    ("batch", "gpus", "count"), [(128, 8, 8), (128, 6, 4), (100, 8, 5), (7, 4, 1), (64, 1, 1), (64, 0, 1)]
)
def test_the_largest_number_that_divides_a_batch(batch: int, gpus: int, count: int) -> None:
    assert sharing(batch, gpus) == count


def test_only_a_run_that_leaves_the_number_open_takes_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(all_gpus, "has_no_gpu", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    settings = Settings(batch=BatchConfig(size=128))
    assert with_all_gpus(settings, []).device.world_size == 4
    assert with_all_gpus(settings, ["device.count=1"]).device.world_size == 1
    one = replace(settings, device=DeviceConfig(kind="gpu", accelerator="gpu"))
    assert with_all_gpus(one, []).device.world_size == 1
    of_a_recipe = replace(settings, device=DeviceConfig(count=2))
    assert with_all_gpus(of_a_recipe, []).device.world_size == 2
    monkeypatch.setattr(all_gpus, "has_no_gpu", lambda: True)
    assert with_all_gpus(settings, []).device.world_size == 1
