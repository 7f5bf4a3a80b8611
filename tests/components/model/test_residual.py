"""Blocks that start as their shortcut."""

import pytest
import torch
from torch import nn

from fastrun.components.model import resnet, transformer, wide_resnet
from fastrun.components.model.residual import zero_last_layer
from fastrun.components.norm import layers as norm

IMAGE, TOKENS = (2, 4, 6, 6), (2, 5, 8)


def frozen(channels: int, dims: int) -> nn.Module:
    return norm.batch(channels, dims, scale=False)


@pytest.mark.parametrize("layer", [None, norm.batch, norm.group])
@pytest.mark.parametrize(("out", "stride"), [(4, 1), (8, 2)])
def test_a_residual_block_starts_as_its_shortcut_and_learns(layer, out, stride):
    block, x = resnet.Block(4, out, stride, True, layer), torch.randn(IMAGE)
    block.zero_init_last()
    assert torch.equal(block(x), block.shortcut(x).relu())
    block(x).square().sum().backward()
    last = block.conv2[-1] if layer else block.conv2
    assert last.weight.grad.any()


@pytest.mark.parametrize("layer", [None, norm.batch])
@pytest.mark.parametrize(("out", "stride"), [(4, 1), (8, 2)])
def test_a_wide_block_starts_as_its_shortcut_and_learns(layer, out, stride):
    block, x = wide_resnet.Block(4, out, stride, 0.0, True, layer), torch.randn(IMAGE)
    block.zero_init_last()
    expected = x if block.shortcut is None else block.shortcut(block.relu1(block.norm1(x)))
    torch.testing.assert_close(block(x), expected)
    block(x).square().sum().backward()
    assert block.conv2.weight.grad.any()


@pytest.mark.parametrize("causal", [True, False])
def test_a_transformer_block_starts_as_its_shortcuts_and_learns(causal):
    block, x = transformer.Block(8, 2, 0.0, causal), torch.randn(TOKENS)
    block.zero_init_last()
    assert torch.equal(block(x), x)
    block(x).square().sum().backward()
    assert block.attention.out.weight.grad.any()
    assert block.down.weight.grad.any()


@pytest.mark.parametrize(
    "block", [resnet.Block(4, 4, 1, False, norm.batch), wide_resnet.Block(4, 4, 1, 0.0, False, norm.batch)]
)
def test_a_block_without_a_shortcut_stays_as_it_is(block):
    before = {key: value.clone() for key, value in block.state_dict().items()}
    block.zero_init_last()
    assert all(torch.equal(value, before[key]) for key, value in block.state_dict().items())


def test_a_norm_whose_gains_do_not_train_keeps_the_branch_open():
    block = resnet.Block(4, 4, 1, True, frozen)
    block.zero_init_last()
    assert (block.conv2[-1].weight == 1).all()


def test_only_the_last_layer_is_silenced():
    layers = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    zero_last_layer(layers[1])
    assert layers[0].weight.any()
    assert not layers[1].weight.any()
    assert not layers[1].bias.any()
