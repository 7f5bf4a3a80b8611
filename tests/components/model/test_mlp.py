import pytest
import torch
from torch import nn

from fastrun.components.model.mlp import mlp
from fastrun.components.norm import layers


def kinds(net: nn.Module) -> list[type]:
    return [type(module) for module in net]


@pytest.mark.parametrize("in_shape", [(5,), (1, 8, 8), (3, 4, 6)])
@pytest.mark.parametrize("hidden", [(), (7,), (7, 9, 11)])
def test_samples_of_any_shape_become_logits(in_shape, hidden):
    assert mlp(in_shape, 4, hidden)(torch.randn(3, *in_shape)).shape == (3, 4)


def test_layers_have_the_widths_that_were_configured():
    widths = [(layer.in_features, layer.out_features) for layer in mlp((6,), 3, (8, 5)) if isinstance(layer, nn.Linear)]
    assert widths == [(6, 8), (8, 5), (5, 3)]


@pytest.mark.parametrize(
    ("activation", "kind"), [("relu", nn.ReLU), ("gelu", nn.GELU), ("tanh", nn.Tanh), ("sigmoid", nn.Sigmoid)]
)
def test_the_activation_follows_each_hidden_layer_and_not_the_head(activation, kind):
    expected = [nn.Flatten, nn.Linear, kind, nn.Linear, kind, nn.Linear]
    assert kinds(mlp((6,), 3, (8, 5), activation)) == expected


def test_norm_comes_before_the_activation_and_dropout_after_it():
    net = mlp((6,), 3, (8,), dropout=0.25, norm=layers.batch)
    assert kinds(net) == [nn.Flatten, nn.Linear, nn.BatchNorm1d, nn.ReLU, nn.Dropout, nn.Linear]
    assert net[4].p == 0.25


@pytest.mark.parametrize(("layer", "has_bias"), [(None, True), (layers.batch, False)])
def test_a_layer_before_a_norm_has_no_bias_and_the_head_always_has_one(layer, has_bias):
    linear = [module for module in mlp((6,), 3, (8,), norm=layer) if isinstance(module, nn.Linear)]
    assert [module.bias is not None for module in linear] == [has_bias, True]


def test_no_dropout_is_no_layer():
    assert nn.Dropout not in kinds(mlp((6,), 3, (8,), dropout=0.0))


@pytest.mark.parametrize(("dims", "kind"), [(1, nn.BatchNorm1d), (2, nn.BatchNorm2d)])
def test_batch_norm_fits_vectors_and_images(dims, kind):
    layer = layers.batch(6, dims, momentum=0.2, eps=1e-3)
    assert type(layer) is kind
    assert (layer.num_features, layer.momentum, layer.eps) == (6, 0.2, 1e-3)


@pytest.mark.parametrize("scale", [True, False])
def test_batch_norm_without_scale_trains_its_biases_alone(scale):
    layer = layers.batch(6, 2, scale=scale)
    assert (layer.weight.requires_grad, layer.bias.requires_grad) == (scale, True)
    assert layer.weight.tolist() == [1.0] * 6
