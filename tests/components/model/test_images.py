"""What holds for every model of images."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from fastrun.components.model.cnn import cnn
from fastrun.components.model.mlp import mlp
from fastrun.components.model.resnet import resnet
from fastrun.components.model.speednet import speednet
from fastrun.components.model.vit import vit
from fastrun.components.model.wide_resnet import wide_resnet
from fastrun.components.norm import layers
from fastrun.components.norm.kinds import BatchNorm

MODELS = {
    "cnn": lambda shape, classes, **own: cnn(shape, classes, depth=4, width=4, **own),
    "resnet": lambda shape, classes, **own: resnet(shape, classes, depth=8, width=4, **own),
    "wide_resnet": lambda shape, classes, **own: wide_resnet(shape, classes, depth=10, widen=1, **own),
    "speednet": lambda shape, classes, **own: speednet(shape, classes, widths=(4, 8), patch=1, **own),
    "mlp": lambda shape, classes, **own: mlp(shape, classes, hidden=(8,), **own),
    "vit": lambda shape, classes, **own: vit(shape, classes, width=8, depth=1, heads=2),
}
SIDES = st.integers(1, 40)


@pytest.mark.parametrize("name", MODELS)
@settings(deadline=None, max_examples=15)
@given(channels=st.integers(1, 4), height=SIDES, width=SIDES, outputs=st.integers(1, 12))
def test_images_of_any_size_become_as_many_outputs_as_configured(name, channels, height, width, outputs):
    net = MODELS[name]((channels, height, width), outputs, norm=layers.batch).eval()
    assert net(torch.randn(2, channels, height, width)).shape == (2, outputs)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("layer", [None, layers.batch, layers.group])
def test_gradients_reach_every_weight(name, layer):
    torch.manual_seed(0)
    net = MODELS[name]((3, 12, 12), 3, norm=layer)
    net(torch.randn(8, 3, 12, 12)).square().sum().backward()
    without = [key for key, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert not [key for key in without if "bias" not in key]  # a bias before a mean that is taken off gets none


@pytest.mark.parametrize("name", MODELS)
def test_the_memory_layout_changes_no_output(name):
    torch.manual_seed(0)
    net, x = MODELS[name]((3, 12, 12), 3, norm=layers.layer).eval(), torch.randn(4, 3, 12, 12)
    expected = net(x)
    last = net.to(memory_format=torch.channels_last)(x.to(memory_format=torch.channels_last))
    torch.testing.assert_close(last, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", [name for name in MODELS if name != "vit"])
def test_without_norm_there_is_none(name):
    normed = (nn.GroupNorm, nn.LayerNorm, BatchNorm)
    assert not any(isinstance(module, normed) for module in MODELS[name]((1, 8, 8), 3, norm=None).modules())
