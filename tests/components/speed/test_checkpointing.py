"""Activations that are computed again: the same gradients to the bit, and less that is kept."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from fastrun.components.speed.checkpointing import checkpoint_activations
from fastrun.errors import ConfigError


def network() -> nn.Module:
    torch.manual_seed(0)
    net = nn.Module()
    net.blocks = nn.ModuleList(nn.TransformerEncoderLayer(8, 2, 32, 0.3) for _ in range(3))
    net.forward = lambda x: run(net.blocks, x)
    return net


def run(blocks: nn.ModuleList, x: Tensor) -> Tensor:
    for block in blocks:
        x = block(x)
    return x


def gradients(net: nn.Module) -> tuple[list[Tensor], int]:
    kept: list[Tensor] = []
    torch.manual_seed(1)
    with torch.autograd.graph.saved_tensors_hooks(lambda tensor: kept.append(tensor) or tensor, lambda tensor: tensor):
        loss = net(torch.randn(4, 5, 8)).square().sum()
    loss.backward()
    return [weight.grad for weight in net.parameters()], sum(tensor.numel() for tensor in kept)


def test_gradients_are_the_same_and_less_is_kept() -> None:
    plain, checkpointed = network(), network()
    checkpoint_activations(checkpointed)
    assert list(plain.state_dict()) == list(checkpointed.state_dict())
    (expected, all_of_it), (found, less) = gradients(plain), gradients(checkpointed)
    assert all(torch.equal(one, other) for one, other in zip(expected, found, strict=True))
    assert less < all_of_it / 4


def test_an_evaluation_computes_nothing_again() -> None:
    net = network()
    checkpoint_activations(net)
    with torch.inference_mode():
        assert net.eval()(torch.randn(4, 5, 8)).shape == (4, 5, 8)


def test_a_network_without_blocks_is_refused() -> None:
    with pytest.raises(ConfigError, match="no list of blocks"):
        checkpoint_activations(nn.Linear(3, 3))
