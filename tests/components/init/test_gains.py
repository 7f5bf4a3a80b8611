import math

import pytest
import torch
from torch import nn

from fastrun.components.init import gains

SQRT2 = math.sqrt(2)


@pytest.mark.parametrize(
    ("activation", "gain"),
    [
        (nn.ReLU(), SQRT2), (nn.ReLU6(), SQRT2), (nn.LeakyReLU(0.2), math.sqrt(2 / 1.04)), (nn.LeakyReLU(1.0), 1.0),
        (nn.PReLU(init=0.25), math.sqrt(2 / 1.0625)), (nn.RReLU(0.5, 0.5), math.sqrt(2 / 1.25)),
    ],
)  # fmt: skip
def test_a_rectifiers_gain_follows_its_slope_below_zero(activation, gain):
    assert gains.of_rectifier(activation) == pytest.approx(gain)


@pytest.mark.parametrize("slope", [0.01, 0.3])
def test_a_rectifiers_gain_is_that_of_torch(slope):
    assert gains.of_rectifier(nn.LeakyReLU(slope)) == pytest.approx(nn.init.calculate_gain("leaky_relu", slope))


def test_many_slopes_of_one_layer_count_by_their_squares():
    layer = nn.PReLU(2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([0.0, 1.0]))
    assert gains.of_rectifier(layer) == pytest.approx(math.sqrt(2 / 1.5))


@pytest.mark.parametrize(
    "activation",
    [nn.GELU(), nn.GELU("tanh"), nn.SiLU(), nn.ELU(), nn.ELU(0.5), nn.CELU(2.0), nn.Mish(), nn.Hardswish(), nn.Tanh()],
    ids=repr,
)
def test_what_a_smooth_one_leaves_of_normal_values_is_made_up_for(activation):
    torch.manual_seed(0)
    z = torch.randn(1_000_000)
    assert activation(z).square().mean().item() * gains.of_inputs(activation) ** 2 == pytest.approx(1, rel=0.01)


def test_the_quadrature_is_exact_where_the_answer_is_known():
    assert gains.of_inputs(nn.ReLU()) == pytest.approx(SQRT2, rel=1e-6)
    assert gains.of_inputs(nn.SELU()) == pytest.approx(1.0, rel=1e-6)
    assert gains.of_inputs(nn.Identity()) == pytest.approx(1.0, rel=1e-9)
    assert gains.of_inputs(None) == 1.0


def test_modules_of_a_kind_with_other_parameters_have_other_gains():
    assert gains.of_inputs(nn.ELU(0.5)) != gains.of_inputs(nn.ELU(1.0))
    assert gains.of_inputs(nn.PReLU(3)) == gains.of_rectifier(nn.PReLU(3))


@pytest.mark.parametrize(("activation", "gain"), [(nn.Tanh(), 5 / 3), (nn.Sigmoid(), 1.0), (None, 1.0)])
def test_xaviers_gains_are_those_of_torch(activation, gain):
    assert gains.of_bounded(activation) == gain
