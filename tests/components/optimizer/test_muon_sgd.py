"""The speedruns' Muon: its groups, and its steps against a plain implementation, one weight at a time."""

from __future__ import annotations

import copy
import io

import pytest
import torch
from torch import Tensor, nn

import fastrun
from fastrun.components.init.whiten import whiten
from fastrun.components.model.mlp import mlp
from fastrun.components.model.resnet import resnet
from fastrun.components.model.speednet import speednet
from fastrun.components.norm.layers import batch
from fastrun.components.optimizer.muon_sgd import MuonSGD, muon_sgd, normalize
from fastrun.errors import ConfigError
from fastrun.training.builders.optimizer import build_optimizer

RATES = {"lr": 0.24, "head_lr": 0.67, "bias_lr": 0.053}
SMALL = ["data=synthetic", "data.samples=64", "data.shape=[1,8,8]", "data.classes=2", "model=mlp", "model.hidden=[8]"]
TRAIN = [*SMALL, "batch.size=16", "optimizer=muon_sgd", "checkpoint=none"]


def conv_net() -> nn.Module:
    """Filters of one 2-d shape (twice), of another that is tall, a matrix, gains, biases and a head."""
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1), nn.BatchNorm2d(6), nn.GELU(),
        nn.Conv2d(6, 6, 3, padding=1), nn.GELU(), nn.Conv2d(6, 6, 3, padding=1), nn.GELU(),
        nn.Conv2d(6, 32, 1), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(32, 5), nn.GELU(), nn.Linear(5, 3),
    )  # fmt: skip


def inputs(count: int = 16) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(count, 2, 6, 6, generator=generator)
    return x, (x.mean((1, 2, 3)) > 0).long() + (x[:, 0].mean((1, 2)) > 0).long()


def train(net: nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> list[float]:
    x, y = inputs()
    x = x.to(next(net.parameters()).dtype)
    losses = []
    for _ in range(steps):
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def test_a_weight_of_zeros_stays_finite():
    zeros, ones = torch.zeros(3, 4), torch.ones(4, 3, 1, 1)
    normalize([zeros, ones])
    assert not zeros.any()
    assert ones.norm().item() == pytest.approx(2.0)


def plain_orthogonal(matrix: Tensor, steps: int) -> Tensor:
    x = matrix / matrix.norm()
    for _ in range(steps):
        x = 3.4445 * x - 4.7750 * (x @ x.T @ x) + 2.0315 * (x @ x.T @ x @ x.T @ x)
    return x


class Plain:
    """What airbench94_muon does to the weights, one after another; torch's own SGD for all but the hidden ones."""

    def __init__(self, net: nn.Module, decay: float, ns_steps: int = 3, nesterov: bool = True) -> None:
        head = [module for module in net.modules() if isinstance(module, nn.Linear)][-1].weight
        self.hidden = [weight for weight in net.parameters() if weight.ndim > 1 and weight is not head]
        self.buffers = [torch.zeros_like(weight) for weight in self.hidden]
        self.steps, self.nesterov = ns_steps, nesterov
        vectors = [weight for weight in net.parameters() if weight.ndim == 1]
        groups = [
            {"params": weights, "lr": rate, "weight_decay": decay / rate}
            for weights, rate in (([head], RATES["head_lr"]), (vectors, RATES["bias_lr"]))
        ]
        self.sgd = torch.optim.SGD(groups, momentum=0.85, nesterov=True, foreach=False)

    @torch.no_grad()
    def step(self) -> None:
        for weight, buffer in zip(self.hidden, self.buffers, strict=True):
            buffer.copy_(0.6 * buffer + weight.grad)
            update = weight.grad + 0.6 * buffer if self.nesterov else buffer
            weight.mul_(len(weight) ** 0.5 / weight.norm())
            weight.sub_(RATES["lr"] * plain_orthogonal(update.reshape(len(update), -1), self.steps).view(weight.shape))
        self.sgd.step()

    def zero_grad(self) -> None:
        self.sgd.zero_grad()
        for weight in self.hidden:
            weight.grad = None


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("own", [{}, {"weight_decay": 0.01}, {"nesterov": False, "ns_steps": 5}])
def test_steps_are_those_of_a_plain_implementation(layout, own):
    ours = conv_net().double().to(memory_format=layout)
    plain = copy.deepcopy(ours)
    reference = Plain(plain, own.get("weight_decay", 0.0), own.get("ns_steps", 3), own.get("nesterov", True))
    assert train(ours, muon_sgd(ours, **own), 6) == pytest.approx(train(plain, reference, 6))
    for weight, expected in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(weight, expected)
        assert weight.stride() == expected.stride()


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_steps_in_single_precision_are_those_of_a_plain_implementation(layout):
    ours = conv_net().to(memory_format=layout)
    plain = copy.deepcopy(ours)
    train(ours, muon_sgd(ours), 3)
    train(plain, Plain(plain, 0.0), 3)
    for weight, expected in zip(ours.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(weight, expected, atol=1e-3, rtol=1e-3)
        assert weight.is_contiguous(memory_format=layout) or weight.ndim < 4
        assert weight.stride() == expected.stride()


def test_without_normalize_a_weight_keeps_its_scale():
    ours, other = conv_net(), conv_net()
    train(ours, muon_sgd(ours, lr=0.0, normalize=False), 1)
    assert torch.equal(ours[0].weight, other[0].weight)
    train(other, muon_sgd(other, lr=0.0), 1)
    assert other[0].weight.norm().item() == pytest.approx(6**0.5)


def names(net: nn.Module) -> list[list[str]]:
    """The names of each group's parameters: hidden, head, vectors."""
    known = {id(weight): name for name, weight in net.named_parameters()}
    return [[known[id(weight)] for weight in group["params"]] for group in muon_sgd(net).param_groups]


def test_the_speednets_groups():
    net = speednet((3, 12, 12), 10, widths=(32, 48), norm=lambda channels, dims: batch(channels, dims, scale=False))
    whiten(net, torch.randn(50, 3, 12, 12))
    hidden, head, vectors = names(net)
    assert hidden == [f"{block}.conv{position}.weight" for block in (2, 3) for position in (1, 2)]
    assert head == ["6.weight"]
    assert vectors == ["0.bias"] + [f"{block}.norm{position}.bias" for block in (2, 3) for position in (1, 2)]


def test_the_resnets_groups():
    net = resnet((1, 8, 8), 10, 8, 4, norm=batch)
    hidden, head, vectors = names(net)
    convolutions = [name for name, weight in net.named_parameters() if weight.ndim == 4]
    assert hidden == convolutions
    assert head == ["7.weight"]
    assert len(vectors) == 2 * len(convolutions) + 1


def test_the_mlps_groups_and_their_values():
    net = mlp((6,), 3, (8, 8))
    assert names(net) == [["1.weight", "3.weight"], ["5.weight"], ["1.bias", "3.bias", "5.bias"]]
    groups = muon_sgd(net, weight_decay=0.1).param_groups
    assert [group["lr"] for group in groups] == list(RATES.values())
    assert [group["ns_steps"] for group in groups] == [3, 0, 0]
    assert [group["momentum"] for group in groups] == [0.6, 0.85, 0.85]
    assert [group["lr"] * group["weight_decay"] for group in groups] == pytest.approx([0, 0.1, 0.1])
    assert all(type(value) in (bool, int, float, type(None)) for g in groups for k, value in g.items() if k != "params")


def test_a_network_without_vectors_or_head_has_no_group_for_them():
    assert names(nn.Conv2d(1, 2, 3, bias=False)) == [["weight"]]


def test_weights_without_a_gradient_are_skipped():
    net = conv_net()
    before = copy.deepcopy(net.state_dict())
    optimizer = muon_sgd(net)
    optimizer.step()
    net[0].weight.grad = torch.randn_like(net[0].weight)
    optimizer.step()
    changed = [name for name, value in net.state_dict().items() if not torch.equal(value, before[name])]
    assert changed == ["0.weight"]
    assert len(optimizer.state) == 1


def test_gradients_stay_as_they_are():
    net = conv_net()
    x, y = inputs()
    nn.functional.cross_entropy(net(x), y).backward()
    before = [weight.grad.clone() for weight in net.parameters()]
    muon_sgd(net, weight_decay=0.1).step()
    assert all(torch.equal(weight.grad, old) for weight, old in zip(net.parameters(), before, strict=True))


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_a_saved_state_goes_on_bit_for_bit(layout):
    net = conv_net().to(memory_format=layout)
    optimizer = muon_sgd(net, weight_decay=0.01)
    train(net, optimizer, 3)
    file = io.BytesIO()
    torch.save([net.state_dict(), optimizer.state_dict()], file)
    file.seek(0)
    weights, state = torch.load(file, weights_only=True)
    other = conv_net().to(memory_format=layout)
    resumed = muon_sgd(other, weight_decay=0.01)
    other.load_state_dict(weights)
    resumed.load_state_dict(state)
    assert train(net, optimizer, 3) == train(other, resumed, 3)
    for weight, expected in zip(other.parameters(), net.parameters(), strict=True):
        assert torch.equal(weight, expected)


def test_a_step_never_reads_a_value_back_to_the_host():
    net = conv_net().to("meta")  # tensors without values: whatever asks for one fails
    for weight in net.parameters():
        weight.grad = torch.empty_like(weight)
    muon_sgd(net, weight_decay=0.1).step()


def test_a_closure_computes_the_loss():
    net = conv_net()
    x, y = inputs()

    def closure() -> Tensor:
        loss = nn.functional.cross_entropy(net(x), y)
        loss.backward()
        return loss

    assert muon_sgd(net).step(closure).item() > 0


def test_it_learns():
    net = conv_net()
    losses = train(net, muon_sgd(net, lr=0.05, head_lr=0.1, bias_lr=0.01), 30)
    assert losses[-1] < 0.3 * losses[0]


def test_nesterov_needs_a_momentum():
    with pytest.raises(ValueError, match="nesterov=true needs"):
        muon_sgd(conv_net(), momentum=0.0)


@pytest.mark.parametrize("net", [nn.BatchNorm1d(3), nn.Linear(3, 2), nn.Linear(3, 2).requires_grad_(False)])
def test_a_network_with_nothing_to_orthogonalize_is_refused(net):
    with pytest.raises(ValueError, match="needs a trainable weight"):
        muon_sgd(net)


def test_plain_momentum_and_rates_of_zero_are_allowed():
    net = conv_net()
    still = copy.deepcopy(net[-1].state_dict())
    optimizer = muon_sgd(
        net, momentum=0.0, nesterov=False, sgd_momentum=0.0, head_lr=0.0, bias_lr=0.0, weight_decay=0.1
    )
    assert isinstance(optimizer, MuonSGD)
    train(net, optimizer, 2)
    assert all(torch.equal(value, still[name]) for name, value in net[-1].state_dict().items())


def test_a_run_trains_with_it(folder) -> None:
    run = fastrun.train([*TRAIN, "epochs=8", "schedule=triangular", "loss.label_smoothing=0.1"], quiet=True)
    assert run.summary["heuristics"]["optimizer"]["requested"] == "muon_sgd"
    assert run.summary["best"]["value"] > 0.8


def test_a_bad_value_in_a_run_is_a_config_error(folder) -> None:
    with pytest.raises(ConfigError, match=r"optimizer\.ns_steps=0 is too small"):
        fastrun.train([*TRAIN, "optimizer.ns_steps=0"], quiet=True)
    with pytest.raises(ConfigError, match="optimizer: muon_sgd needs"):
        fastrun.train([*TRAIN, "model.hidden=[]"], quiet=True)
    with pytest.raises(ConfigError, match=r"optimizer\.lrr"):
        fastrun.train([*TRAIN, "+optimizer.lrr=0"], quiet=True)


@pytest.mark.parametrize(("scaling", "factor"), [("none", 1), ("linear", 4), ("sqrt", 2)])
def test_lr_scaling_scales_all_three_rates(scaling, factor):
    from fastrun.compose import compose

    base = [] if scaling == "none" else ["batch.base_size=16"]
    settings = compose([*TRAIN, "batch.size=64", *base, f"batch.lr_scaling={scaling}"])
    groups = build_optimizer(settings, mlp((6,), 3)).param_groups
    assert [group["lr"] for group in groups] == [factor * rate for rate in RATES.values()]
