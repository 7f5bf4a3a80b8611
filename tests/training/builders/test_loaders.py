"""What loaders put on a device leaves what is on the host where it is."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace

import pytest
import torch
from torch.utils.data import TensorDataset

from fastrun.components.device.device import Device
from fastrun.components.pipeline.evaluation import EvalLoader
from fastrun.components.pipeline.preparation import Preparation
from fastrun.components.pipeline.standardize import fit_standardize
from fastrun.compose import compose
from fastrun.config import registry
from fastrun.config.resolved import Resolved
from fastrun.training.builders.loaders import build_loaders, build_sampler
from fastrun.training.builders.setup import scaling_on, set_up

ELSEWHERE = Device(torch.device("meta"), 0, 1, 1, "auto", "a device other than the host's")
IMAGES = ["data=synthetic", "data.shape=[1,4,4]", "data.samples=64", "augment=randaugment", "batch.size=8"]


@pytest.mark.parametrize("pipeline", registry.options("pipeline"))
def test_batches_are_on_the_device_and_the_hosts_modules_on_the_host(folder, pipeline: str) -> None:
    own = [] if pipeline == "plain" else ["pipeline.num_workers=0"]
    settings = compose([*IMAGES, f"pipeline={pipeline}", *own])
    setup = replace(set_up(settings), device=ELSEWHERE)
    scaling = scaling_on(torch.device("cpu"), setup.learned)
    before = scaling(setup.splits.train[0][0].unsqueeze(0))
    for _ in range(2):  # as another attempt of a run does
        resolved = Resolved({})
        sampler = build_sampler(settings, setup.splits, setup.device, resolved)
        train, val = build_loaders(settings, setup, sampler, resolved)
        with closing(train.batches(0)) as batches:
            assert {part.device.type for part in next(batches)} == {"meta"}
        assert {part.device.type for part in next(iter(val))} == {"meta"}
    assert {part.device.type for part in (setup.learned.mean, setup.learned.scale)} == {"cpu"}
    assert torch.equal(scaling(setup.splits.train[0][0].unsqueeze(0)), before)


def test_a_network_that_changes_its_inputs_does_not_change_the_data() -> None:
    x = torch.rand(10, 3)
    own = x.clone()
    loader = EvalLoader(
        TensorDataset(own, torch.arange(10)), Preparation(fit_standardize(TensorDataset(x, x))), torch.device("cpu")
    )
    for batch, _ in loader:
        batch.zero_()
    assert torch.equal(own, x)
