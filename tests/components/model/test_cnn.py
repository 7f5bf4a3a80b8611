import pytest
import torch
from torch import nn

from fastrun.components.model.cnn import cnn
from fastrun.components.norm import layers


def widths(net: nn.Module) -> list[int]:
    return [module.out_channels for module in net if isinstance(module, nn.Conv2d)]


@pytest.mark.parametrize(
    ("depth", "expected"), [(1, [4]), (2, [4, 8]), (3, [4, 8, 16]), (5, [4, 4, 8, 8, 16]), (7, [4, 4, 4, 8, 8, 16, 16])]
)
def test_the_stages_share_the_depth_and_double_the_width(depth, expected):
    assert widths(cnn((3, 16, 16), 10, depth, width=4)) == expected


@pytest.mark.parametrize(("side", "pools"), [(16, 2), (3, 1), (2, 1), (1, 0)])
def test_each_stage_halves_the_resolution_while_there_is_more_than_a_pixel(side, pools):
    net = cnn((1, side, side), 10, depth=6, width=2)
    assert sum(isinstance(module, nn.MaxPool2d) for module in net) == pools
    assert net[:-4](torch.randn(1, 1, side, side)).shape[2:] == (max(1, side >> pools),) * 2


@pytest.mark.parametrize(("layer", "has_bias"), [(None, True), (layers.batch, False)])
def test_a_convolution_before_a_norm_has_no_bias(layer, has_bias):
    convolutions = [m for m in cnn((1, 8, 8), 10, norm=layer) if isinstance(m, nn.Conv2d)]
    assert {conv.bias is not None for conv in convolutions} == {has_bias}


def test_dropout_stands_before_the_head():
    *_, dropout, head = cnn((1, 8, 8), 10, dropout=0.25)
    assert (dropout.p, type(head)) == (0.25, nn.Linear)
