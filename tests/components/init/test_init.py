import pytest
import torch
import yaml
from torch import nn

from fastrun.components.init import auto, he, xavier
from fastrun.components.init.orthogonal import orthogonal
from fastrun.components.init.trunc_normal import trunc_normal
from fastrun.config import instantiate
from fastrun.config.paths import shipped

INITS = {
    "he_uniform": he.uniform,
    "he_normal": he.normal,
    "xavier_uniform": xavier.uniform,
    "xavier_normal": xavier.normal,
    "auto": auto.by_activation,
    "orthogonal": orthogonal,
    "trunc_normal": trunc_normal,
}


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
    for index in (0, 3, 5, 8):
        assert not torch.equal(before[index].weight, after[index].weight)
        assert after[index].bias is None or not after[index].bias.any()
    for index in (1, 6):
        assert (after[index].weight == 0.5).all()
        assert (after[index].bias == 0.25).all()


@pytest.mark.parametrize("name", INITS)
def test_each_option_is_the_init_of_its_name(name):
    bound = instantiate.bind("init", yaml.safe_load((shipped("conf") / "init" / f"{name}.yaml").read_text()))
    assert bound.func is INITS[name]
    nets = [nn.Linear(8, 8) for _ in range(2)]
    for net, init in zip(nets, (bound, INITS[name]), strict=True):
        torch.manual_seed(1)
        init(net)
    assert torch.equal(nets[0].weight, nets[1].weight)


def test_the_neutral_option_is_nothing_at_all():
    config = yaml.safe_load((shipped("conf") / "init" / "default.yaml").read_text())
    assert instantiate.bind("init", config) is None
