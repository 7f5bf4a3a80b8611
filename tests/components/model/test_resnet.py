import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fastrun.components.model.resnet import Block, resnet
from fastrun.components.norm import layers
from fastrun.errors import ConfigError


def blocks(net: nn.Module) -> list[Block]:
    return [module for module in net.modules() if isinstance(module, Block)]


def count(net: nn.Module) -> int:
    return sum(parameter.numel() for parameter in net.parameters())


@pytest.mark.parametrize("in_shape", [(1, 8, 8), (3, 32, 32), (2, 7, 5), (1, 1, 1)])
@pytest.mark.parametrize("layer", [None, layers.batch])
def test_images_of_any_size_become_logits(in_shape, layer):
    assert resnet(in_shape, 4, depth=8, width=2, norm=layer)(torch.randn(3, *in_shape)).shape == (3, 4)


@pytest.mark.parametrize("depth", [8, 14, 20])
def test_the_depth_counts_the_layers_with_weights_without_the_shortcuts(depth):
    net = resnet((3, 16, 16), 10, depth, width=2, skip=False)
    assert sum(isinstance(module, (nn.Conv2d, nn.Linear)) for module in net.modules()) == depth


def test_the_plain_counterpart_of_resnet_20_has_the_papers_270_000_weights():
    assert count(resnet((3, 32, 32), 10, 20, 16, skip=False, norm=layers.batch)) == 269_722


def test_each_stage_doubles_the_width_and_halves_the_resolution():
    net = resnet((3, 16, 16), 10, depth=14, width=4)
    x, shapes = torch.randn(1, 3, 16, 16), []
    for module in net:
        x = module(x)
        if isinstance(module, Block):
            shapes.append(tuple(x.shape[1:]))
    assert shapes == [(4, 16, 16)] * 2 + [(8, 8, 8)] * 2 + [(16, 4, 4)] * 2


def test_shortcuts_are_projected_only_where_the_shape_changes():
    result = blocks(resnet((3, 16, 16), 10, depth=14, width=4))
    assert [isinstance(block.shortcut, nn.Identity) for block in result] == [True, True, False, True, False, True]


def test_without_skips_the_network_is_the_same_but_for_the_shortcuts():
    with_skips, plain = (resnet((3, 16, 16), 10, 14, 4, skip, layers.batch) for skip in (True, False))
    assert all(block.shortcut is None for block in blocks(plain))
    left = {name: p.shape for name, p in with_skips.named_parameters() if "shortcut" not in name}
    assert left == {name: p.shape for name, p in plain.named_parameters()}


@pytest.mark.parametrize("skip", [True, False])
def test_a_block_whose_convolutions_are_zero_is_its_shortcut(skip):
    block = Block(3, 3, 1, skip, None)
    for parameter in block.parameters():
        nn.init.zeros_(parameter)
    x = torch.randn(2, 3, 4, 4)
    assert torch.equal(block(x), x.relu() if skip else torch.zeros_like(x))


@pytest.mark.parametrize(("layer", "has_bias"), [(None, True), (layers.batch, False)])
def test_a_convolution_before_a_norm_has_no_bias(layer, has_bias):
    convolutions = [m for m in resnet((1, 8, 8), 10, norm=layer).modules() if isinstance(m, nn.Conv2d)]
    assert {conv.bias is not None for conv in convolutions} == {has_bias}


@pytest.mark.parametrize("layer", [None, layers.batch])
def test_gradients_reach_every_weight(layer):
    net = resnet((1, 8, 8), 3, width=4, norm=layer)
    net(torch.randn(4, 1, 8, 8)).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in net.parameters())


@settings(deadline=None, max_examples=30)
@given(st.integers(-5, 60).filter(lambda depth: depth < 8 or (depth - 2) % 6))
def test_a_depth_that_is_not_6n_plus_2_is_refused_and_the_nearest_offered(depth):
    with pytest.raises(ConfigError, match=rf"model\.depth={depth} ") as caught:
        resnet((1, 8, 8), 10, depth)
    nearest = int(caught.value.hint.split()[-1])
    assert abs(nearest - depth) == min(abs(one - depth) for one in range(8, 80, 6))


def test_what_is_no_image_makes_no_network():
    with pytest.raises(ConfigError, match="needs images"):
        resnet((64,), 10)
