"""The whitening start does what its name says."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import fastrun
from fastrun.components.init.whiten import whiten, whitening_filters
from fastrun.components.model.speednet import speednet
from fastrun.components.norm.layers import batch
from fastrun.errors import ConfigError


@pytest.fixture
def images() -> torch.Tensor:
    torch.manual_seed(0)
    smooth = nn.functional.avg_pool2d(torch.randn(200, 3, 14, 14), 3, 1)
    return smooth + 0.3 * smooth.mean(1, keepdim=True)


def test_filter_outputs_are_uncorrelated_with_variance_one(images: torch.Tensor) -> None:
    out = nn.functional.conv2d(images, whitening_filters(images, 2, eps=0.0)).permute(1, 0, 2, 3).flatten(1)
    second_moment = out @ out.T / out.shape[1]
    torch.testing.assert_close(second_moment, torch.eye(12), atol=1e-3, rtol=0)


def test_the_first_layer_is_frozen_and_the_others_pass_their_input_on(images: torch.Tensor) -> None:
    net = speednet((3, 12, 12), 10, widths=(32, 48), norm=batch)
    whiten(net, images)
    first, *others = (module for module in net.modules() if isinstance(module, nn.Conv2d))
    assert not first.weight.requires_grad
    torch.testing.assert_close(first.weight[:12], -first.weight[12:])
    for layer in others:
        x = torch.randn(1, layer.in_channels, 5, 5)
        torch.testing.assert_close(layer(x)[:, : layer.in_channels], x)


def test_the_first_layers_bias_trains_from_zero(images: torch.Tensor) -> None:
    net = speednet((3, 12, 12), 10, widths=(32, 48), norm=batch)
    whiten(net, images)
    bias = next(module for module in net.modules() if isinstance(module, nn.Conv2d)).bias
    assert bias is not None
    assert bias.requires_grad
    assert not bias.any()


def test_the_head_is_scaled_if_configured(images: torch.Tensor) -> None:
    torch.manual_seed(0)
    net = speednet((3, 12, 12), 10, widths=(32, 48), norm=batch)
    (head,) = (module for module in net.modules() if isinstance(module, nn.Linear))
    drawn = head.weight.detach().clone()
    whiten(net, images)
    assert torch.equal(head.weight, drawn)
    whiten(net, images, head_std=1.0)
    torch.testing.assert_close(head.weight, drawn / drawn.std())
    with pytest.raises(ConfigError, match="needs a linear layer"):
        whiten(nn.Conv2d(3, 24, 2), images, head_std=1.0)


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 8, 8), (3, 12, 20), (1, 2, 2)])
def test_the_last_pooling_leaves_one_value_a_channel(shape: tuple[int, ...]) -> None:
    net = speednet(shape, 10, widths=(4, 6, 8), norm=batch)
    assert net(torch.randn(2, *shape)).shape == (2, 10)
    assert net[:-3](torch.randn(2, *shape)).shape == (2, 8, 1, 1)


def test_a_network_that_does_not_fit_is_refused(images: torch.Tensor) -> None:
    with pytest.raises(ConfigError, match="24 filters"):
        whiten(nn.Conv2d(3, 8, 2), images)
    with pytest.raises(ConfigError, match="needs convolutions"):
        whiten(nn.Linear(3, 8), images)
    with pytest.raises(ConfigError, match="larger than the images"):
        speednet((1, 1, 8), 10)


def test_a_run_leaves_the_first_layer_alone(folder) -> None:
    own = ["data.val_fraction=0.1", "model=speednet", "model.widths=[16,16]", "init=whiten", "batch.size=64"]
    state = [fastrun.train([*own, f"steps={steps}"], quiet=True).load_model("last").state_dict() for steps in (1, 3)]
    assert torch.equal(state[0]["net.0.weight"], state[1]["net.0.weight"])
    assert not torch.equal(state[0]["net.2.conv1.weight"], state[1]["net.2.conv1.weight"])
