"""Convolutions on single pixels leave bf16 on a CPU, and nothing else does."""

from __future__ import annotations

from copy import deepcopy

import pytest
import torch
from torch import nn

import fastrun
from fastrun.components.amp.single_pixel import keep_in_float32, single_pixel_convolutions


def bf16() -> torch.autocast:
    return torch.autocast("cpu", torch.bfloat16)


def test_those_are_found_that_go_from_one_pixel_or_to_one() -> None:
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1),
        nn.Conv2d(4, 4, 3, stride=4, padding=1),
        nn.Conv2d(4, 4, 3, padding=1),
    )
    with single_pixel_convolutions(net) as found:
        net(torch.rand(2, 1, 4, 4))
    assert found == [net[1], net[2]]
    net(torch.rand(2, 1, 1, 1))
    assert len(found) == 2


def test_they_compute_in_float32_and_so_do_copies() -> None:
    torch.manual_seed(0)
    net, x = nn.Sequential(nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)), torch.rand(2, 4, 1, 1)
    exact = net[1](net[0](x.bfloat16().float()))
    keep_in_float32(net[1])
    for own in (net, deepcopy(net)):
        with bf16():
            assert own[0](x).dtype == torch.bfloat16
            assert own(x).dtype == torch.float32
            assert own[0](x).dtype == torch.bfloat16
        own(x).sum().backward()
    torch.testing.assert_close(net[1](net[0](x.bfloat16().float())), exact)


def test_autocast_is_on_again_after_an_error() -> None:
    conv = nn.Conv2d(4, 4, 3, padding=1)
    keep_in_float32(conv)
    with bf16():
        with pytest.raises(RuntimeError):
            conv(torch.rand(2, 3, 1, 1))
        assert nn.Linear(2, 2)(torch.rand(1, 2)).dtype == torch.bfloat16


DEEP = """
from torch import nn

class Deep(nn.Sequential):
    def __init__(self, num_classes):
        super().__init__(nn.Conv2d(1, 4, 3, 4, 1), nn.Conv2d(4, 4, 3, 1, 1), nn.Flatten(), nn.Linear(4, num_classes))

    def forward(self, x):
        map = self[0](x)
        seen.append(self[1](map).dtype)
        return self[3](self[2](self[1](map)))

seen = []
"""


def test_a_run_in_bf16_computes_them_in_float32(folder) -> None:
    (folder / "own_deep.py").write_text(DEEP)
    (folder / "conf/model").mkdir(parents=True)
    (folder / "conf/model/own.yaml").write_text("# Mine\n_target_: own_deep.Deep\n")
    data = ["data=synthetic", "data.shape=[1,4,4]", "data.samples=64"]
    fastrun.train([*data, "model=own", "steps=1", "batch.size=8", "amp=bf16", "device=cpu"], quiet=True)
    import own_deep

    assert set(own_deep.seen) == {torch.float32}
