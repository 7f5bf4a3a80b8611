import pytest
import torch
from torch import nn

import fastrun
from fastrun.components.init.lsuv import lsuv
from fastrun.components.model.resnet import resnet
from fastrun.components.norm.layers import batch
from fastrun.errors import ConfigError


def outputs(net: nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    """The outputs of each linear and convolutional layer, in the order of the forward pass."""
    seen: list[torch.Tensor] = []
    for module in net.modules():
        if isinstance(module, (nn.Linear, nn.Conv2d)):
            module.register_forward_hook(lambda _module, _x, y: seen.append(y.detach()))
    net.eval()(x)
    return seen


def test_every_layer_of_a_network_without_norms_has_outputs_of_variance_one():
    torch.manual_seed(0)
    net, x = resnet((3, 8, 8), 10, depth=14, width=4), 5 * torch.randn(64, 3, 8, 8)
    lsuv(net, x)
    variances = [y.var().item() for y in outputs(net, x)]
    assert len(variances) == 16
    assert variances == pytest.approx([1.0] * 16, rel=1e-3)


def test_modes_and_running_statistics_are_what_they_were():
    torch.manual_seed(0)
    net = nn.Sequential(resnet((3, 8, 8), 10, depth=8, width=4, norm=batch), nn.Dropout())
    net[1].eval()
    lsuv(net, torch.randn(16, 3, 8, 8))
    assert net[0].training
    assert not net[1].training
    norms = [module for module in net.modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms
    assert not any(norm.running_mean.any() or norm.num_batches_tracked for norm in norms)
    assert not any(module._forward_hooks for module in net.modules())


def test_integer_tokens_are_taken_as_they_are():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Embedding(20, 16), nn.Linear(16, 16), nn.GELU(), nn.Linear(16, 20))
    tokens = torch.randint(20, (32, 9))
    lsuv(net, tokens)
    assert [y.var().item() for y in outputs(net, tokens)] == pytest.approx([1.0, 1.0], rel=1e-3)


def test_so_many_samples_are_looked_at_and_no_more():
    torch.manual_seed(0)
    net, x = nn.Linear(8, 8), torch.cat([torch.randn(10, 8), 100 * torch.randn(90, 8)])
    lsuv(net, x, samples=10)
    assert net(x[:10]).var().item() == pytest.approx(1.0, rel=1e-3)


def test_a_layer_whose_outputs_do_not_vary_stays_orthonormal():
    net = nn.Linear(4, 4)
    lsuv(net, torch.zeros(8, 4))
    torch.testing.assert_close(net.weight @ net.weight.T, torch.eye(4), atol=1e-5, rtol=0)


def test_a_layer_called_twice_is_scaled_once():
    torch.manual_seed(0)
    layer, x = nn.Linear(8, 8), torch.randn(50, 8)
    lsuv(nn.Sequential(layer, nn.ReLU(), layer), x)
    assert layer(x).var().item() == pytest.approx(1.0, rel=1e-3)


def test_samples_that_do_not_fit_are_refused_and_no_hook_is_left():
    net = nn.Linear(8, 8)
    with pytest.raises(ConfigError, match="does not take these samples"):
        lsuv(net, torch.zeros(4, 7))
    assert net.training
    assert not net._forward_hooks


def test_a_run_hands_it_its_training_set(folder):
    own = ["data=synthetic", "data.shape=[1,8,8]", "model=resnet", "model.depth=8", "model.width=4", "norm=none"]
    run = fastrun.train([*own, "init=lsuv", "optimizer=sgd", "optimizer.lr=1e-9", "steps=1"], quiet=True)
    conv = next(module for module in run.load_model("last").modules() if isinstance(module, nn.Conv2d))
    matrix = conv.weight.detach().flatten(1)
    product = matrix @ matrix.T
    torch.testing.assert_close(product, product[0, 0] * torch.eye(4), atol=1e-4, rtol=0)  # orthogonal, but for a factor
    assert abs(product[0, 0].item() - 1) > 1e-3
