"""Each norm, in each model that takes one: mean and variance of what comes out of it."""

from math import prod

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from fastrun.components.model.cnn import cnn
from fastrun.components.model.mlp import mlp
from fastrun.components.model.resnet import resnet
from fastrun.components.model.speednet import speednet
from fastrun.components.model.wide_resnet import wide_resnet
from fastrun.components.norm import layers
from fastrun.errors import ConfigError

GROUPS, EPS = 4, 1e-5
# How each norm's definition lays out [batch, channels, pixels] so that a mean is taken over each row.
ROWS = {
    "batch": lambda x: x.transpose(0, 1).flatten(1),
    "group": lambda x: x.unflatten(1, (GROUPS, -1)).flatten(2).flatten(0, 1),
    "layer": lambda x: x.flatten(1),
    "instance": lambda x: x.flatten(0, 1),
}
LAYERS = {
    "batch": layers.batch,
    "group": lambda channels, dims: layers.group(channels, dims, GROUPS),
    "layer": layers.layer,
    "instance": layers.instance,
}
IMAGES = {
    "cnn": lambda layer: cnn((3, 16, 16), 5, depth=4, width=8, norm=layer),
    "resnet": lambda layer: resnet((3, 16, 16), 5, depth=8, width=8, norm=layer),
    "wide_resnet": lambda layer: wide_resnet((3, 16, 16), 5, depth=10, widen=1, norm=layer),
    "speednet": lambda layer: speednet((3, 16, 16), 5, widths=(8, 16), norm=layer),
    "mlp": lambda layer: mlp((3, 16, 16), 5, hidden=(8, 16), norm=layer),
}
CASES = [(model, name) for model in IMAGES for name in LAYERS if (model, name) != ("mlp", "instance")]


@pytest.mark.parametrize(("model", "name"), CASES)
def test_each_norm_leaves_mean_zero_and_variance_one_where_its_definition_says(model, name):
    seen: list[tuple[Tensor, Tensor]] = []

    def watched(channels: int, dims: int) -> nn.Module:
        layer = LAYERS[name](channels, dims)
        layer.register_forward_hook(lambda _, before, after: seen.append((before[0].detach(), after.detach())))
        return layer

    torch.manual_seed(0)
    IMAGES[model](watched)(torch.randn(4, 3, 16, 16))
    assert len(seen) >= 2
    for before, after in seen:
        rows, normed = (ROWS[name](x.reshape(4, x.shape[1], -1)) for x in (before, after))
        variance = rows.var(1, correction=0)
        assert variance.max() > EPS  # there was something to normalize
        torch.testing.assert_close(normed.mean(1), torch.zeros(len(rows)), rtol=0, atol=1e-4)
        torch.testing.assert_close(normed.var(1, correction=0), variance / (variance + EPS), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("name", ["group", "layer", "instance"])
def test_other_norms_than_batch_do_in_training_what_they_do_in_evaluation_whatever_the_batch(name):
    layer, x = LAYERS[name](8, 2), torch.randn(5, 8, 3, 3)
    torch.testing.assert_close(layer.train()(x)[:1], layer.eval()(x[:1]))


@pytest.mark.parametrize(("name", "dims"), [(name, 2) for name in LAYERS] + [("batch", 1), ("group", 1), ("layer", 1)])
def test_each_norm_has_a_gain_and_a_bias_a_channel(name, dims):
    layer = LAYERS[name](12, dims)
    assert {key: tuple(p.shape) for key, p in layer.named_parameters()} == {"weight": (12,), "bias": (12,)}


@given(st.integers(1, 300), st.integers(1, 64), st.sampled_from([1, 2]))
def test_the_groups_are_the_most_that_fit(channels, groups, dims):
    def fits(count: int) -> bool:
        return channels % count == 0 and (count == 1 or channels // count >= 2)

    count = layers.group(channels, dims, groups).num_groups
    assert fits(count)
    assert not any(fits(other) for other in range(count + 1, groups + 1))


@pytest.mark.parametrize(
    ("arguments", "count", "eps"),
    [((16, 2), 8, 1e-5), ((12, 2), 6, 1e-5), ((7, 1), 1, 1e-5), ((64, 2, 32, 0.1), 32, 0.1)],
)
def test_group_norm_has_eight_groups_by_default(arguments, count, eps):
    layer = layers.group(*arguments)
    assert (layer.num_groups, layer.num_channels, layer.eps) == (count, arguments[0], eps)


def test_vectors_have_no_instance_norm():
    with pytest.raises(ConfigError, match="needs pixels") as caught:
        mlp((8,), 3, norm=layers.instance)
    assert caught.value.hint == "use norm=layer"


@pytest.mark.parametrize(
    ("layer", "shape"),
    [
        (layers.instance(4, 2), (2, 4, 1, 1)), (layers.layer(1, 2), (2, 1, 1, 1)), (layers.layer(1, 1), (2, 1)),
        (layers.group(1, 1), (2, 1)), (layers.group(1, 2), (2, 1, 1, 1)),
    ],
)  # fmt: skip
def test_a_single_value_is_refused_as_it_would_always_become_zero(layer, shape):
    with pytest.raises(ConfigError, match="normalize single values") as caught:
        layer(torch.randn(shape))
    assert caught.value.hint


@pytest.mark.parametrize("name", LAYERS)
def test_two_values_are_enough(name):
    shape = (2, 4, 2, 1)
    out = LAYERS[name](4, 2)(torch.randn(shape))
    assert out.abs().sum() > prod(shape) / 4
