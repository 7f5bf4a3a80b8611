import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fastrun.components.model.wide_resnet import Block, wide_resnet
from fastrun.components.norm import layers
from fastrun.errors import ConfigError


@pytest.mark.parametrize(
    ("depth", "widen", "millions"),
    [(40, 1, 0.6), (40, 2, 2.2), (40, 4, 8.9), (16, 8, 11.0), (22, 8, 17.2), (28, 10, 36.5)],
)
def test_the_weights_are_as_many_as_in_the_papers_table(depth, widen, millions):
    with torch.device("meta"):
        net = wide_resnet((3, 32, 32), 10, depth, widen, norm=layers.batch)
    assert round(sum(parameter.numel() for parameter in net.parameters()) / 1e6, 1) == millions


@pytest.mark.parametrize("depth", [10, 16, 22])
def test_the_depth_counts_stem_blocks_and_the_three_projections(depth):
    net = wide_resnet((3, 8, 8), 10, depth, widen=2)
    assert sum(isinstance(module, nn.Conv2d) for module in net.modules()) == depth


def test_each_stage_doubles_the_width_and_halves_the_resolution():
    x, shapes = torch.randn(1, 3, 16, 16), []
    for module in wide_resnet((3, 16, 16), 10, depth=16, widen=1):
        x = module(x)
        if isinstance(module, Block):
            shapes.append(tuple(x.shape[1:]))
    assert shapes == [(16, 16, 16)] * 2 + [(32, 8, 8)] * 2 + [(64, 4, 4)] * 2


def test_norm_and_rectifier_come_before_each_convolution():
    block, order = Block(4, 4, 1, 0.5, True, layers.batch), []
    for name, module in block.named_children():
        module.register_forward_hook(lambda *_, name=name: order.append(name))
    block(torch.randn(2, 4, 3, 3))
    assert order == ["norm1", "relu1", "conv1", "norm2", "relu2", "dropout", "conv2"]
    assert block.dropout.p == 0.5


def test_nothing_stands_in_the_way_of_the_shortcut():
    block, x = Block(4, 4, 1, 0.0, True, None), torch.randn(2, 4, 3, 3)
    nn.init.zeros_(block.conv2.weight)
    nn.init.zeros_(block.conv2.bias)
    assert torch.equal(block(x), x)


def test_without_skips_the_network_is_the_same_but_for_the_shortcuts():
    with_skips, plain = (wide_resnet((3, 8, 8), 10, 10, 2, skip=skip, norm=layers.batch) for skip in (True, False))
    left = {name: p.shape for name, p in with_skips.named_parameters() if "shortcut" not in name}
    assert left == {name: p.shape for name, p in plain.named_parameters()}
    block, x = plain[1], torch.randn(2, 16, 8, 8)
    nn.init.zeros_(block.conv2.weight)
    assert not block(x).any()


@settings(deadline=None, max_examples=30)
@given(st.integers(-5, 60).filter(lambda depth: depth < 10 or (depth - 4) % 6))
def test_a_depth_that_is_not_6n_plus_4_is_refused_and_the_nearest_offered(depth):
    with pytest.raises(ConfigError, match=rf"model\.depth={depth} ") as caught:
        wide_resnet((1, 8, 8), 10, depth)
    nearest = int(caught.value.hint.split()[-1])
    assert abs(nearest - depth) == min(abs(one - depth) for one in range(10, 80, 6))
