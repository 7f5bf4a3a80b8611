"""Muon with AdamW: which parameter steps by which, and the steps against torch's own optimizers."""

from __future__ import annotations

import copy
import io
import math

import pytest
import torch
from torch import Tensor, nn

import fastrun
from fastrun.components.model.mlp import mlp
from fastrun.components.optimizer.muon import Muon, muon
from fastrun.errors import ConfigError

VALUES = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.2, "adamw_lr": 0.03, "adamw_betas": (0.8, 0.9)}
SMALL = ["data=synthetic", "data.samples=64", "data.shape=[1,8,8]", "data.classes=2", "model=mlp", "model.hidden=[8]"]
TRAIN = [*SMALL, "batch.size=16", "optimizer=muon", "checkpoint=none"]


class Language(nn.Module):
    """Tokens with positions, through layers whose weights are tall, wide and square."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.tokens = nn.Embedding(7, 8)
        self.positions = nn.Parameter(torch.randn(1, 4, 8))
        self.body = nn.Sequential(nn.Linear(8, 24), nn.GELU(), nn.Linear(24, 8), nn.LayerNorm([4, 8]), nn.Linear(8, 8))
        self.head = nn.Linear(8, 7)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(self.tokens(x) + self.positions))


MATRICES = ["body.0.weight", "body.2.weight", "body.4.weight"]


def train(net: nn.Module, *optimizers: torch.optim.Optimizer, steps: range = range(3)) -> list[float]:
    losses = []
    for step in steps:
        x = torch.randint(7, (16, 4), generator=torch.Generator().manual_seed(step))
        loss = nn.functional.cross_entropy(net(x).flatten(0, 1), (3 * x + 1).remainder(7).flatten())
        loss.backward()
        for optimizer in optimizers:
            optimizer.step()
        net.zero_grad()
        losses.append(loss.item())
    return losses


def names(net: nn.Module, optimizer: Muon) -> list[list[str]]:
    known = {id(weight): name for name, weight in net.named_parameters()}
    return [[known[id(weight)] for weight in group["params"]] for group in optimizer.param_groups]


def references(net: nn.Module, **own: object) -> tuple[torch.optim.Optimizer, torch.optim.Optimizer]:
    """torch's Muon for the matrices, its AdamW for the rest, of which norms, biases and positions are not decayed."""
    of = dict(net.named_parameters())
    rest = [name for name in of if name not in MATRICES]
    decayed = [of[name] for name in rest if name in ("tokens.weight", "head.weight")]
    others = [of[name] for name in rest if name not in ("tokens.weight", "head.weight")]
    first = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.2, **own}
    groups = [{"params": decayed}, {"params": others, "weight_decay": 0.0}]
    return (
        torch.optim.Muon([of[name] for name in MATRICES], **first),
        torch.optim.AdamW(groups, lr=0.03, betas=(0.8, 0.9), weight_decay=0.2),
    )


def test_hidden_matrices_are_orthogonalized_and_all_else_is_adamws():
    net = Language()
    hidden, tables, rest = names(net, muon(net))
    assert hidden == MATRICES
    assert tables == ["tokens.weight", "head.weight"]
    assert set(rest) == {name for name, _ in net.named_parameters()} - {*hidden, *tables}
    assert {"positions", "body.3.weight"} < set(rest)


def test_a_head_that_is_the_embedding_is_in_one_group():
    net = Language()
    net.head.weight = net.tokens.weight
    assert names(net, muon(net))[1] == ["tokens.weight"]


def test_filters_are_orthogonalized_as_matrices_of_a_row_a_channel():
    net = nn.Sequential(nn.Conv2d(2, 6, 3), nn.Flatten(), nn.Linear(6, 2))
    filters, gradient = net[0].weight.detach().clone(), torch.randn(6, 2, 3, 3)
    net[0].weight.grad = gradient
    muon(net, lr=0.1, weight_decay=0.0).step()
    step = ((filters - net[0].weight) / 0.1).flatten(1)
    left, _, right = torch.linalg.svd(gradient.flatten(1), full_matrices=False)
    values = (left.T @ step @ right.T).diag()
    assert values.min() > 0.68
    assert values.max() < 1.21
    torch.testing.assert_close(left @ values.diag() @ right, step, atol=1e-4, rtol=0)


@pytest.mark.parametrize("own", [{}, {"nesterov": False}, {"ns_steps": 3}], ids=str)
@pytest.mark.parametrize("fused", [None, True])
def test_three_steps_are_those_of_torch(own, fused, monkeypatch):
    monkeypatch.setattr(Tensor, "bfloat16", Tensor.clone)  # torch orthogonalizes in bf16, which is coarser
    net = Language()
    twin = copy.deepcopy(net)
    train(net, muon(net, fused=fused, **VALUES, **own))
    train(twin, *references(twin, **own))
    for (name, ours), theirs in zip(net.named_parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(
            ours, theirs, atol=2e-5, rtol=2e-5, msg=lambda message, name=name: f"{name}: {message}"
        )


def test_three_steps_are_those_of_torch_in_its_own_precision_nearly():
    net = Language()
    start, twin = copy.deepcopy(net), copy.deepcopy(net)
    train(net, muon(net, **VALUES))
    train(twin, *references(twin))
    for name in MATRICES:
        ours, theirs = (one.get_parameter(name) - start.get_parameter(name) for one in (net, twin))
        assert (ours - theirs).norm() < 0.1 * theirs.norm()


def test_momentum_that_changes_is_that_of_the_step(monkeypatch):
    monkeypatch.setattr(Tensor, "bfloat16", Tensor.clone)
    net = Language()
    twin = copy.deepcopy(net)
    optimizer, others = muon(net, **VALUES), references(twin)
    for step, momentum in enumerate((0.95, 0.85, 0.9)):
        optimizer.param_groups[0]["momentum"] = others[0].param_groups[0]["momentum"] = momentum
        train(net, optimizer, steps=range(step, step + 1))
        train(twin, *others, steps=range(step, step + 1))
    for ours, theirs in zip(net.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, atol=2e-5, rtol=2e-5)


def test_a_tall_matrix_takes_a_longer_step():
    net = nn.Sequential(nn.Linear(4, 16, bias=False), nn.Linear(16, 2, bias=False))
    net[0].weight.grad = torch.eye(16, 4)
    before = net[0].weight.detach().clone()
    muon(net, lr=0.1, weight_decay=0.0, ns_steps=9).step()
    ratio = (before - net[0].weight).norm() / (0.1 * math.sqrt(4))  # all four singular values are one, nearly
    assert ratio.item() == pytest.approx(2.0, rel=0.3)


@pytest.mark.parametrize("fused", [None, True])
def test_a_saved_state_goes_on_bit_for_bit(fused):
    net = Language()
    optimizer = muon(net, fused=fused)
    train(net, optimizer)
    file = io.BytesIO()
    torch.save([net.state_dict(), optimizer.state_dict()], file)
    file.seek(0)
    weights, state = torch.load(file, weights_only=True)
    other = Language()
    resumed = muon(other, fused=fused)
    other.load_state_dict(weights)
    resumed.load_state_dict(state)
    later = range(3, 6)
    assert train(net, optimizer, steps=later) == train(other, resumed, steps=later)
    assert all(map(torch.equal, net.parameters(), other.parameters()))


def test_weights_without_a_gradient_are_skipped():
    net = Language()
    before = copy.deepcopy(net.state_dict())
    optimizer = muon(net)
    optimizer.step()
    for name in ("body.0.weight", "head.bias"):
        net.get_parameter(name).grad = torch.randn_like(net.get_parameter(name))
    optimizer.step()
    changed = [name for name, value in net.state_dict().items() if not torch.equal(value, before[name])]
    assert changed == ["body.0.weight", "head.bias"]
    assert len(optimizer.state) == 2


def test_gradients_stay_as_they_are():
    net = Language()
    x = torch.arange(4)[None]
    net(x).square().sum().backward()
    before = [weight.grad.clone() for weight in net.parameters()]
    muon(net, **VALUES).step()
    assert all(torch.equal(weight.grad, old) for weight, old in zip(net.parameters(), before, strict=True))


def test_it_learns_and_returns_a_closures_loss():
    net = Language()
    optimizer = muon(net)
    losses = train(net, optimizer, steps=range(60))
    assert losses[-1] < 0.3 * losses[0]

    def closure() -> Tensor:
        loss = net(torch.arange(4)[None]).square().sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() > 0


def test_a_bad_value_in_a_run_is_a_config_error(folder) -> None:
    with pytest.raises(ConfigError, match=r"optimizer\.ns_steps=0 is too small"):
        fastrun.train([*TRAIN, "optimizer.ns_steps=0"], quiet=True)
    with pytest.raises(ConfigError, match="optimizer: muon needs"):
        fastrun.train([*TRAIN, "model.hidden=[]"], quiet=True)
    with pytest.raises(ConfigError, match=r"optimizer\.adamw_betas"):
        fastrun.train([*TRAIN, "optimizer.adamw_betas=[0.9]"], quiet=True)


def test_a_run_trains_with_it(folder) -> None:
    run = fastrun.train([*TRAIN, "epochs=30", "optimizer.lr=0.1"], quiet=True)
    assert run.summary["heuristics"]["optimizer"]["requested"] == "muon"
    assert run.summary["best"]["value"] > 0.8


def test_the_mlps_groups_have_momentum_or_betas_and_never_both():
    groups = muon(mlp((6,), 3, (8, 8))).param_groups
    assert [("momentum" in group, "betas" in group) for group in groups] == [
        (True, False),
        (False, True),
        (False, True),
    ]
    assert [group["weight_decay"] for group in groups] == [0.01, 0.01, 0.0]
