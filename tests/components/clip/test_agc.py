import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

import fastrun
from fastrun.components.clip.agc import head
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


def unit_norms(x: torch.Tensor) -> torch.Tensor:
    return x.flatten(1).norm(dim=1) if x.ndim > 1 else x.norm().view(1)


def network() -> nn.Sequential:
    """Convolutions, norms, an attention, a linear layer and a head, with gradients of very different sizes."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3, bias=False), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 4),
    )  # fmt: skip
    (net(torch.randn(16, 3, 8, 8)) * 30).square().mean().backward()
    return net


@pytest.mark.parametrize(
    ("limit", "eps", "layout"),
    [
        (0.01, 1e-3, torch.channels_last),
        (0.1, 1e-3, torch.contiguous_format),
        (0.05, 0.5, torch.channels_last),
        (1e6, 1e-3, torch.contiguous_format),
    ],
)
def test_agc_is_timms(limit, eps, layout):
    agc = pytest.importorskip("timm.utils.agc")
    ours, theirs = network().to(memory_format=layout), network()
    before = [p.grad.clone() for p in ours.parameters()]
    build_clipper(ClipConfig(kind="agc", max=limit, eps=eps), ours)(list(ours.parameters()))
    agc.adaptive_clip_grad(list(theirs.parameters())[:-2], limit, eps)
    for own, other in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(own.grad, other.grad)
    changed = [not torch.equal(p.grad, old) for p, old in zip(ours.parameters(), before, strict=True)]
    assert any(changed) == (limit < 1e6)


def test_agc_leaves_each_unit_at_the_ratio_at_most_and_those_below_it_alone():
    net, limit = network(), 0.05
    before = [p.grad.clone() for p in net.parameters()]
    build_clipper(ClipConfig(kind="agc", max=limit, eps=1e-3), net)(list(net.parameters()))
    seen = []
    for parameter, old in list(zip(net.parameters(), before, strict=True))[:-2]:
        weight = unit_norms(parameter.detach()).clamp_min(1e-3)
        was, ratio = unit_norms(old) / weight, unit_norms(parameter.grad) / weight
        torch.testing.assert_close(ratio, was.clamp_max(limit))
        seen += (was > limit).tolist()
    assert any(seen)
    assert not all(seen)


def test_agc_keeps_the_direction_of_each_unit():
    net = network()
    before = net[3].weight.grad.flatten(1).clone()
    build_clipper(ClipConfig(kind="agc", max=1e-4), net)(list(net.parameters()))
    cosine = nn.functional.cosine_similarity(before, net[3].weight.grad.flatten(1))
    torch.testing.assert_close(cosine, torch.ones(8))


def test_agc_leaves_out_the_last_linear_layer_unless_it_is_all_there_is():
    net = network()
    before = [p.grad.clone() for p in net[-1].parameters()]
    agc = build_clipper(ClipConfig(kind="agc", max=1e-6), net)
    agc(list(net.parameters()))
    assert all(torch.equal(p.grad, old) for p, old in zip(net[-1].parameters(), before, strict=True))
    agc(list(net[-1].parameters()))
    assert not any(torch.equal(p.grad, old) for p, old in zip(net[-1].parameters(), before, strict=True))


def test_agc_returns_the_norm_of_all_gradients_before_it_as_a_tensor():
    net = network()
    expected = torch.cat([p.grad.flatten() for p in net.parameters()]).norm().item()
    norm = build_clipper(ClipConfig(kind="agc", max=0.01), net)(list(net.parameters()))
    assert isinstance(norm, torch.Tensor)
    assert norm.item() == pytest.approx(expected, rel=1e-5)


def test_agc_passes_over_weights_without_a_gradient():
    parameters = weights([3.0, -4.0], None)
    assert build_clipper(ClipConfig(kind="agc", max=0.5, eps=2.0))(parameters).item() == pytest.approx(5.0)
    assert gradients(parameters) == pytest.approx([0.6, -0.8])  # weights of zero count as eps: at most 0.5 x 2
    assert build_clipper(ClipConfig(kind="agc"))(weights(None)) is None


def test_agc_of_no_gradient_divides_nothing_by_zero():
    parameters = weights([0.0, 0.0])
    build_clipper(ClipConfig(kind="agc"))(parameters)
    assert gradients(parameters) == [0.0, 0.0]


def test_agc_reads_no_value_back_so_that_nothing_waits_for_the_device():
    with FakeTensorMode():  # which refuses whatever depends on a tensor's values
        parameters = [nn.Parameter(torch.randn(4, 3)), nn.Parameter(torch.randn(4))]
        for parameter in parameters:
            parameter.grad = torch.randn_like(parameter)
        assert isinstance(build_clipper(ClipConfig(kind="agc"))(parameters), torch.Tensor)


def test_the_head_is_the_last_linear_layer_of_all():
    net = network()
    assert [id(p) for p in head(net)] == [id(p) for p in net[-1].parameters()]
    assert head(nn.Conv2d(1, 1, 1)) == []


def test_a_run_clips_by_agc_and_says_the_norm_before(folder, lines):
    own = ["data=synthetic", "data.shape=[1,8,8]", "model=resnet", "model.width=4", "norm=none", "steps=3"]
    run = fastrun.train([*own, "clip=agc", "clip.max=0.001"], quiet=True)
    plain = fastrun.train(own, quiet=True)
    norms = [line["train/grad_norm"] for line in lines(run.directory) if "train/grad_norm" in line]
    assert len(norms) == 3
    assert min(norms) > 0
    agc, other = (one.load_model("last").state_dict() for one in (run, plain))
    assert not all(torch.equal(agc[name], other[name]) for name in agc)
