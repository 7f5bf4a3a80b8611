import pytest
import torch
import yaml
from torch import nn

from fastrun import component
from fastrun.init import auto, he, xavier
from fastrun.init.layers import feeds
from fastrun.model.resnet import resnet
from fastrun.paths import shipped

DEPTH, WIDTH, FACTOR = 20, 256, 10
INITS = {
    "he_uniform": he.uniform,
    "he_normal": he.normal,
    "xavier_uniform": xavier.uniform,
    "xavier_normal": xavier.normal,
    "auto": auto.by_activation,
}


def deep(activation: type[nn.Module]) -> nn.Sequential:
    return nn.Sequential(*(layer for _ in range(DEPTH) for layer in (nn.Linear(WIDTH, WIDTH), activation())))


def variance_kept(init, activation: type[nn.Module]) -> float:
    """The variance that enters the last activation over the one that enters the first."""
    torch.manual_seed(0)
    net = deep(activation)
    init(net)
    x = torch.randn(256, WIDTH)
    with torch.no_grad():
        return (net[:-1](x).var() / net[0](x).var()).item()


@pytest.mark.parametrize(
    ("name", "activation"),
    [
        ("he_uniform", nn.ReLU), ("he_normal", nn.ReLU), ("he_normal", nn.LeakyReLU),
        ("xavier_uniform", nn.Identity), ("xavier_normal", nn.Identity),
        ("auto", nn.ReLU), ("auto", nn.LeakyReLU), ("auto", nn.ELU), ("auto", nn.Tanh), ("auto", nn.Identity),
    ],
)  # fmt: skip
def test_the_variance_stays_through_many_layers_of_the_right_activation(name, activation):
    assert 1 / FACTOR < variance_kept(INITS[name], activation) < FACTOR


@pytest.mark.parametrize(
    ("name", "activation"),
    [
        ("he_uniform", nn.Identity), ("he_normal", nn.Identity),
        ("xavier_uniform", nn.ReLU), ("xavier_normal", nn.ReLU), ("xavier_normal", nn.Tanh),
    ],
)  # fmt: skip
def test_the_variance_vanishes_or_explodes_through_many_layers_of_the_wrong_activation(name, activation):
    kept = variance_kept(INITS[name], activation)
    assert kept < 1 / FACTOR or kept > FACTOR


@pytest.mark.parametrize("draw", [he.uniform, he.normal])
@pytest.mark.parametrize(("mode", "fan"), [("fan_in", 1000), ("fan_out", 10)])
def test_he_scales_with_the_side_that_it_keeps_the_variance_of(draw, mode, fan):
    torch.manual_seed(0)
    layer = nn.Linear(1000, 10)
    draw(layer, mode)
    assert layer.weight.std().item() == pytest.approx((2 / fan) ** 0.5, rel=0.05)


@pytest.mark.parametrize("draw", [xavier.uniform, xavier.normal])
def test_xavier_scales_with_its_gain(draw):
    torch.manual_seed(0)
    layer = nn.Linear(300, 100)
    draw(layer, gain=3.0)
    assert layer.weight.std().item() == pytest.approx(3 * (2 / 400) ** 0.5, rel=0.05)


@pytest.mark.parametrize(("draw", "bounded"), [(he.uniform, True), (he.normal, False)])
def test_uniform_weights_are_bounded_and_normal_ones_are_not(draw, bounded):
    torch.manual_seed(0)
    layer = nn.Linear(200, 200)
    draw(layer)
    assert (layer.weight.abs().max() <= (6 / 200) ** 0.5) == bounded


@pytest.mark.parametrize("name", INITS)
def test_each_init_sets_all_weights_and_zeroes_biases_and_leaves_norms_alone(name):
    def net() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 1, bias=False), nn.Flatten(),
            nn.Linear(4, 8), nn.LayerNorm(8), nn.Tanh(), nn.Linear(8, 2),
        )  # fmt: skip

    before, after = net(), net()
    with torch.no_grad():
        for norm in (after[1], after[6]):
            norm.weight.fill_(0.5)
            norm.bias.fill_(0.25)
    INITS[name](after)
    for place in (0, 3, 5, 8):
        assert not torch.equal(before[place].weight, after[place].weight)
        assert after[place].bias is None or not after[place].bias.any()
    for place in (1, 6):
        assert (after[place].weight == 0.5).all()
        assert (after[place].bias == 0.25).all()


def names(net: nn.Module) -> list[str]:
    return [activation for _, activation in feeds(net)]


def test_auto_reads_the_activation_that_each_layer_feeds():
    net = nn.Sequential(
        nn.Linear(2, 2), nn.BatchNorm1d(2), nn.ReLU(), nn.Linear(2, 2), nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 2),
        nn.Sigmoid(), nn.Conv1d(2, 2, 1), nn.LeakyReLU(), nn.Linear(2, 2), nn.GELU(), nn.Linear(2, 2),
    )  # fmt: skip
    assert names(net) == ["relu", "linear", "tanh", "sigmoid", "leaky_relu", "relu", "linear"]
    assert [layer for layer, _ in feeds(net)] == [m for m in net if isinstance(m, (nn.Linear, nn.Conv1d))]


def test_auto_reads_an_activation_that_several_layers_share_at_each_of_its_places():
    relu = nn.ReLU()
    net = nn.Sequential(nn.Linear(2, 2), relu, nn.Linear(2, 2), relu, nn.Linear(2, 2))
    assert names(net) == ["relu", "relu", "linear"]


def test_auto_sees_no_layer_twice():
    net = resnet((1, 8, 8), 10)
    seen = [layer for layer, _ in feeds(net)]
    assert len(seen) == len(set(seen)) == sum(isinstance(m, (nn.Linear, nn.Conv2d)) for m in net.modules())


@pytest.mark.parametrize(("activation", "gain"), [(nn.ReLU, 2**0.5), (nn.Tanh, 5 / 3), (nn.Identity, 1.0)])
def test_auto_draws_with_the_gain_of_the_activation(activation, gain):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(400, 400), activation(), nn.Linear(400, 400))
    auto.by_activation(net)
    assert net[0].weight.std().item() * 20 == pytest.approx(gain, rel=0.02)
    assert net[2].weight.std().item() * 20 == pytest.approx(1.0, rel=0.02)


@pytest.mark.parametrize("name", INITS)
def test_each_option_is_the_init_of_its_name(name):
    bound = component.bind("init", yaml.safe_load((shipped("conf") / "init" / f"{name}.yaml").read_text()))
    assert bound.func is INITS[name]
    nets = [nn.Linear(8, 8) for _ in range(2)]
    for net, init in zip(nets, (bound, INITS[name]), strict=True):
        torch.manual_seed(1)
        init(net)
    assert torch.equal(nets[0].weight, nets[1].weight)


def test_the_neutral_option_is_nothing_at_all():
    config = yaml.safe_load((shipped("conf") / "init" / "default.yaml").read_text())
    assert component.bind("init", config) is None
