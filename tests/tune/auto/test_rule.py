"""What short runs take, by the size of a step."""

import pytest
import torch
from torch import nn

from fastrun.tune.auto.rule import step_flops, threads_for


def flops(net, x):
    return step_flops(net, lambda: net(x), len(x) / 8)


def test_flops_of_dense_convolutional_and_recurrent_layers() -> None:
    dense = nn.Linear(10, 20, bias=False)
    assert flops(dense, torch.zeros(2, 10)) == 3 * 2 * 10 * 20 * 8
    conv = nn.Conv2d(3, 4, 3, padding=1, bias=False)
    assert flops(conv, torch.zeros(2, 3, 5, 5)) == 3 * 2 * (3 * 4 * 9) * 25 * 8
    lstm = nn.LSTM(6, 7, batch_first=True, bias=False)
    assert flops(lstm, torch.zeros(2, 5, 6)) == 3 * 2 * (4 * 7 * 6 + 4 * 7 * 7) * 5 * 8


def test_an_embedding_is_a_lookup_and_the_mode_is_kept() -> None:
    net = nn.Sequential(nn.Embedding(1000, 8), nn.Dropout(0.5)).train()
    assert flops(net, torch.zeros(2, 4, dtype=torch.long)) == 0
    assert net.training
    assert not any(module._forward_hooks for module in net.modules())


@pytest.mark.parametrize(
    ("flops", "cores", "threads"),
    [(1e6, 8, 1), (1.9e9, 8, 1), (1e10, 2, 2), (1e10, 64, 10), (1e13, 64, 64), (1e13, 1, 1)],
)
def test_small_steps_have_one_thread(flops: float, cores: int, threads: int) -> None:
    assert threads_for(flops, cores) == threads
