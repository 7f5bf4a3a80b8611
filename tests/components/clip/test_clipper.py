import pytest
import torch
from torch import nn

from fastrun.components.clip.clipper import build_clipper
from fastrun.config.settings import ClipConfig


def weights(*gradients) -> list[nn.Parameter]:
    parameters = []
    for gradient in gradients:
        parameter = nn.Parameter(torch.zeros(2) if gradient is None else torch.zeros(len(gradient)))
        parameter.grad = None if gradient is None else torch.tensor(gradient)
        parameters.append(parameter)
    return parameters


def gradients(parameters) -> list[float]:
    return torch.cat([p.grad for p in parameters if p.grad is not None]).tolist()


def test_none_is_no_clipper_at_all():
    assert build_clipper(ClipConfig(kind="none", max=1.0)) is None


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(1.0, [0.6, 0.0, 0.8]), (2.5, [1.5, 0.0, 2.0]), (5.1, [3.0, 0.0, 4.0]), (100.0, [3.0, 0.0, 4.0])],
)
def test_norm_scales_all_gradients_together_to_the_limit_at_most(limit, expected):
    parameters = weights([3.0, 0.0], None, [4.0])
    norm = build_clipper(ClipConfig(kind="norm", max=limit))(parameters)
    assert gradients(parameters) == pytest.approx(expected, abs=1e-5)
    assert norm.item() == pytest.approx(5.0)


def test_the_norm_that_comes_back_stays_a_tensor_so_that_nothing_waits_for_the_device():
    assert isinstance(build_clipper(ClipConfig(kind="norm", max=1.0))(weights([3.0, 4.0])), torch.Tensor)


@pytest.mark.parametrize(
    ("limit", "expected"), [(1.0, [1.0, -1.0, 0.5, 0.0]), (2.0, [2.0, -2.0, 0.5, 0.0]), (9.0, [3.0, -4.0, 0.5, 0.0])]
)
def test_value_limits_each_gradient_on_both_sides(limit, expected):
    parameters = weights([3.0, -4.0], None, [0.5, 0.0])
    assert build_clipper(ClipConfig(kind="value", max=limit))(parameters) is None
    assert gradients(parameters) == expected


@pytest.mark.parametrize("kind", ["norm", "value"])
def test_gradients_are_clipped_in_place_in_a_real_network(kind):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))
    (net(torch.randn(4, 8)) * 100).square().mean().backward()
    parameters = list(net.parameters())
    before = [p.grad.data_ptr() for p in parameters]
    build_clipper(ClipConfig(kind=kind, max=0.25))(parameters)
    assert [p.grad.data_ptr() for p in parameters] == before
    flat = torch.cat([p.grad.flatten() for p in parameters])
    assert (flat.norm() if kind == "norm" else flat.abs().max()).item() == pytest.approx(0.25, rel=1e-4)
