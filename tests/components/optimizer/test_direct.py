"""A step by the fused kernels alone is the optimizer's own, to the bit."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from types import ModuleType

import pytest
import torch
from torch import Tensor, nn

from fastrun.components.optimizer import direct
from fastrun.components.optimizer.direct import build_step
from fastrun.components.optimizer.groups import decay_groups
from fastrun.components.optimizer.rates import scale_rates
from fastrun.system import torch_internals

STEPS = 5
OPTIMIZERS = {
    "adam": (torch.optim.Adam, {"weight_decay": 0.1, "betas": (0.8, 0.99)}),
    "adamw": (torch.optim.AdamW, {"weight_decay": 0.1}),
    "sgd": (torch.optim.SGD, {"weight_decay": 0.1}),
    "momentum": (torch.optim.SGD, {"momentum": 0.9, "dampening": 0.1}),
    "nesterov": (torch.optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    "adagrad": (torch.optim.Adagrad, {"lr_decay": 0.1, "weight_decay": 0.1}),
}


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3), nn.Tanh())


def build(kind: str, net: nn.Module, **flags: object) -> torch.optim.Optimizer:
    factory, values = OPTIMIZERS[kind]
    return factory(decay_groups(net, values.get("weight_decay", 0.0)), lr=0.1, **({"fused": True} | values | flags))


def train(
    net: nn.Module, optimizer: torch.optim.Optimizer, advance, steps: range = range(STEPS), momenta: bool = False
) -> list[Tensor]:
    for step in steps:
        torch.manual_seed(step)
        for group in optimizer.param_groups:
            group["lr"] = 0.1 / (step + 1)
            if momenta and "betas" in group:
                group["betas"] = (0.95 - 0.05 * step, 0.99)
            elif momenta and "momentum" in group:
                group["momentum"] = 0.95 - 0.05 * step
        net(torch.randn(8, 1, 4, 4)).square().sum().backward()
        advance()
        optimizer.zero_grad()
    return [weight.detach().clone() for weight in net.parameters()]


def same(some: list[Tensor], others: list[Tensor]) -> bool:
    return all(torch.equal(one, other) for one, other in zip(some, others, strict=True))


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_steps_are_the_optimizers_own(kind: str) -> None:
    net, twin = network(), network()
    optimizer, reference = build(kind, net), build(kind, twin)
    advance = build_step(optimizer)
    assert advance != optimizer.step
    assert same(train(net, optimizer, advance), train(twin, reference, reference.step))
    for ours, theirs in zip(
        optimizer.state_dict()["state"].values(), reference.state_dict()["state"].values(), strict=True
    ):
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs if theirs[name] is not None)


@pytest.mark.parametrize("kind", sorted(OPTIMIZERS.keys() - {"adagrad"}))
def test_momentum_is_that_of_the_step(kind: str) -> None:
    net, twin, other = network(), network(), network()
    optimizer, reference, constant = build(kind, net), build(kind, twin), build(kind, other)
    ours = train(net, optimizer, build_step(optimizer), momenta=True)
    assert same(ours, train(twin, reference, reference.step, momenta=True))
    assert not same(ours, train(other, constant, constant.step))


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_any_number_of_groups_is_stepped(kind: str) -> None:
    net, twin = network(), network()
    optimizer, reference = build(kind, net), build(kind, twin)
    for one, model in ((optimizer, net), (reference, twin)):
        scale_rates(
            one, model, {name: 1 / (position + 1) for position, (name, _) in enumerate(model.named_parameters())}
        )
    assert len(optimizer.param_groups) == 6
    advance, own = build_step(optimizer), optimizer.step
    train(net, optimizer, advance, range(1)), train(twin, reference, reference.step, range(1))
    optimizer.step = lambda: pytest.fail("a step was left to the optimizer")
    assert same(train(net, optimizer, advance), train(twin, reference, reference.step))
    optimizer.step = own


@pytest.mark.parametrize("turns", [(0.0, 0.9, 0.8), (0.9, 0.0, 0.0, 0.8), (0.0, 0.0, 0.9, 0.0, 0.9)])
def test_momentum_that_comes_and_goes_is_that_of_the_step(turns: tuple[float, ...]) -> None:
    net, twin = network(), network()
    optimizer, reference = build("sgd", net), build("sgd", twin)
    own, calls = optimizer.step, []
    optimizer.step = lambda: (calls.append(1), own())
    advance = build_step(optimizer)
    for step, momentum in enumerate(turns):
        for group in (*optimizer.param_groups, *reference.param_groups):
            group["momentum"] = momentum
        now = range(step, step + 1)
        assert same(train(net, optimizer, advance, now), train(twin, reference, reference.step, now))
    assert len(calls) <= 2


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_only_the_first_step_is_left_to_the_optimizer(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    net = network()
    optimizer = build(kind, net)
    own, calls = optimizer.step, []
    monkeypatch.setattr(optimizer, "step", lambda: (calls.append(1), own()))
    train(net, optimizer, build_step(optimizer))
    assert len(calls) == 1


def test_a_weight_without_a_gradient_is_left_alone() -> None:
    net, twin = network(), network()
    optimizer, reference = build("adamw", net), build("adamw", twin)
    advance = build_step(optimizer)
    train(net, optimizer, advance), train(twin, reference, reference.step)
    for frozen in (net, twin):
        frozen[0].weight.requires_grad_(False)
    later = range(STEPS, 2 * STEPS)
    assert same(train(net, optimizer, advance, later), train(twin, reference, reference.step, later))


@pytest.mark.parametrize("kind", OPTIMIZERS)
@pytest.mark.parametrize("parts", [(0, 1), (4,)], ids=["body", "head"])
def test_weights_that_are_frozen_at_first_begin_later(kind: str, parts: tuple[int, ...], monkeypatch) -> None:
    nets, optimizers = [network(), network()], []
    for net in nets:
        later = {id(weight) for part in parts for weight in net[part].parameters()}
        optimizer = build(kind, net)
        groups = [(group, [(id(w) in later, w) for w in group["params"]]) for group in optimizer.param_groups]
        optimizer.param_groups[:] = [  # all of a group begin together: fused SGD takes no other groups
            {**group, "params": chosen}
            for group, weights in groups
            for expected in (True, False)
            if (chosen := [weight for is_later, weight in weights if is_later == expected])
        ]
        optimizers.append(optimizer)
    calls: list[int] = []
    own = optimizers[0].step
    monkeypatch.setattr(optimizers[0], "step", lambda: (calls.append(1), own()))
    advances = [build_step(optimizers[0]), optimizers[1].step]
    for trains, steps in ((False, range(3)), (True, range(3, 7)), (False, range(7, 9)), (True, range(9, 11))):
        for net in nets:
            for part in parts:
                net[part].requires_grad_(trains)
        ours, theirs = (train(*three, steps) for three in zip(nets, optimizers, advances, strict=True))
        assert same(ours, theirs)
    assert len(calls) == 1 + 1 + 2  # the first step, the first with all, and those without some again


@pytest.mark.parametrize("flags", [{"fused": False}, {"amsgrad": True}, {"maximize": True}], ids=str)
def test_what_is_not_known_steps_by_itself(flags: dict[str, bool]) -> None:
    optimizer = build("adam", network(), **flags)
    assert build_step(optimizer) == optimizer.step


def test_an_optimizer_with_a_hook_steps_by_itself() -> None:
    optimizer = build("adam", network())
    optimizer.register_step_post_hook(lambda *_: None)
    assert build_step(optimizer) == optimizer.step


def test_weights_of_several_types_step_by_themselves() -> None:
    net, twin = network(), network()
    net[4].double(), twin[4].double()
    for one in (net, twin):
        one.insert(4, Double())
    optimizer, reference = build("sgd", net), build("sgd", twin)
    assert same(train(net, optimizer, build_step(optimizer)), train(twin, reference, reference.step))


@pytest.fixture(params=["kernels", "no kernels"])
def module(request: pytest.FixtureRequest) -> Iterator[ModuleType]:
    """The module as it is, and as it would be if torch had no private kernels for many tensors at once."""
    if request.param == "kernels":
        yield direct
        return
    with pytest.MonkeyPatch.context() as patch:
        for name in dir(torch):
            if name.startswith(("_fused_", "_foreach_")):
                patch.delattr(torch, name)
        importlib.reload(torch_internals)
        importlib.reload(direct)
    try:
        yield direct
    finally:
        importlib.reload(torch_internals)
        importlib.reload(direct)


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_without_the_kernels_every_optimizer_steps_by_itself(kind: str, module: ModuleType, request) -> None:
    net, twin = network(), network()
    optimizer, reference = build(kind, net), build(kind, twin)
    advance = module.build_step(optimizer)
    assert (advance == optimizer.step) is ("no kernels" in request.node.name)
    assert same(train(net, optimizer, advance), train(twin, reference, reference.step))


@pytest.mark.parametrize("bad", [1.0, float("nan"), float("inf")])
def test_a_flag_makes_an_optimizer_without_fused_kernels_ignore_the_gradients(bad: float, module: ModuleType) -> None:
    nets, flag = [network(), network()], torch.zeros(())
    optimizer, reference = (torch.optim.RMSprop(net.parameters(), lr=0.1) for net in nets)
    advance = module.build_step(optimizer, flag)
    for is_bad in (0.0, 1.0, 1.0):
        flag.fill_(is_bad)
        for weight, twin in zip(*(net.parameters() for net in nets), strict=True):
            weight.grad = torch.full_like(weight, bad if is_bad else 0.5)
            twin.grad = torch.full_like(twin, 0.0 if is_bad else 0.5)
        advance()
        reference.step()
        assert same(list(nets[0].parameters()), list(nets[1].parameters()))


@pytest.mark.parametrize("kind", OPTIMIZERS)
def test_a_flag_makes_fused_kernels_change_nothing(kind: str) -> None:
    net, flag = network(), torch.zeros(())
    optimizer = build(kind, net)
    advance = build_step(optimizer, flag)
    before = train(net, optimizer, advance, range(3))
    flag.fill_(1.0)
    assert same(train(net, optimizer, advance, range(3, 5)), before)


class Double(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.double()
