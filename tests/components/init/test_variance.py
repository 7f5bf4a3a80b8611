"""Variance through twenty layers: kept by the init that is meant for an activation, lost by one that is not."""

import pytest
import torch
from torch import nn

from fastrun.components.init import auto, he, xavier
from fastrun.components.init.lsuv import lsuv
from fastrun.components.init.orthogonal import orthogonal
from fastrun.components.init.trunc_normal import trunc_normal

DEPTH, WIDTH, SAMPLES = 20, 256, 128
A_LAYER = 1.25  # what theory lets a layer gain or lose: tanh decays slowly, smooth rectifiers grow by 7 to 15 %
FACTOR = A_LAYER ** (DEPTH - 1)  # 69; a wrong init halves or doubles the variance at each layer: half a million


def through(init, activation: type[nn.Module]) -> tuple[float, float]:
    """The variance before the last activation over that before the first; that of the gradients, back the same way."""
    torch.manual_seed(0)
    net = nn.Sequential(*(layer for _ in range(DEPTH) for layer in (nn.Linear(WIDTH, WIDTH), activation())))
    x = torch.randn(SAMPLES, WIDTH)
    init(net, x) if init is lsuv else init(net)
    first = net[0](x)
    first.retain_grad()
    last = net[1:-1](first)
    last.retain_grad()
    last.backward(torch.randn_like(last))
    return (last.var() / first.var()).item(), (first.grad.var() / last.grad.var()).item()


@pytest.mark.parametrize(
    ("init", "activation"),
    [
        (he.uniform, nn.ReLU), (he.normal, nn.ReLU), (he.normal, nn.LeakyReLU),
        (xavier.uniform, nn.Tanh), (xavier.normal, nn.Tanh), (xavier.uniform, nn.Identity),
        (xavier.normal, nn.Identity), (orthogonal, nn.Identity), (orthogonal, nn.Tanh),
        (auto.by_activation, nn.ReLU), (auto.by_activation, nn.LeakyReLU), (auto.by_activation, nn.GELU),
        (auto.by_activation, nn.ELU), (auto.by_activation, nn.SELU), (auto.by_activation, nn.Mish),
        (auto.by_activation, nn.Tanh), (auto.by_activation, nn.Identity),
        (lsuv, nn.ReLU), (lsuv, nn.LeakyReLU), (lsuv, nn.GELU), (lsuv, nn.SiLU), (lsuv, nn.ELU), (lsuv, nn.SELU),
        (lsuv, nn.Mish), (lsuv, nn.Hardswish), (lsuv, nn.Tanh), (lsuv, nn.Identity),
    ],
)  # fmt: skip
def test_activations_and_gradients_keep_their_variance_with_the_right_init(init, activation):
    forward, backward = through(init, activation)
    assert 1 / FACTOR < forward < FACTOR
    assert 1 / FACTOR < backward < FACTOR


@pytest.mark.parametrize(
    ("init", "activation"),
    [
        (he.uniform, nn.Identity), (he.normal, nn.Identity), (xavier.uniform, nn.ReLU), (xavier.normal, nn.ReLU),
        (xavier.normal, nn.GELU), (xavier.normal, nn.SiLU), (xavier.normal, nn.Sigmoid), (orthogonal, nn.ReLU),
        (orthogonal, nn.GELU), (trunc_normal, nn.ReLU), (trunc_normal, nn.Tanh), (trunc_normal, nn.Identity),
    ],
)  # fmt: skip
def test_they_vanish_or_explode_with_the_wrong_one(init, activation):
    forward, backward = through(init, activation)
    assert backward < 1 / FACTOR**2 or backward > FACTOR**2
    assert forward < 1 / FACTOR**2 or forward > FACTOR**2 or activation is nn.Sigmoid  # never far from one half


@pytest.mark.parametrize("activation", [nn.SiLU, nn.Hardswish])
def test_the_gain_of_a_smooth_rectifier_keeps_more_of_it_than_that_of_relu(activation):
    right, wrong = through(auto.by_activation, activation), through(he.normal, activation)
    assert 1 / FACTOR < right[0] < 2 * FACTOR
    assert wrong[0] < 1 / FACTOR**2
    assert wrong[1] < 1 / FACTOR**2


@pytest.mark.parametrize("activation", [nn.ReLU, nn.SiLU, nn.Tanh])
def test_lsuv_gives_every_layer_variance_one(activation):
    torch.manual_seed(0)
    net = nn.Sequential(*(layer for _ in range(DEPTH) for layer in (nn.Linear(WIDTH, WIDTH), activation())))
    x = 3 * torch.rand(SAMPLES, WIDTH)
    lsuv(net, x)
    for layer in net:
        x = layer(x)
        if isinstance(layer, nn.Linear):
            assert x.var().item() == pytest.approx(1.0, rel=1e-3)
